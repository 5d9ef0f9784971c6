//! Receiving within a turn, without descriptors: nothing is received.

#![allow(clippy::unused_self, reason = "the signatures are those of receive.rs")]

use std::marker::PhantomData;

use ioloop::reactor::Event;
use napi_derive::napi;

use crate::native_loop::Core;

/// In the place of a number of bytes: nothing was received.
#[napi]
pub const NOT_RECEIVED: i32 = i32::MIN;

/// In the place of a number of bytes: `loopReceive` follows.
#[napi]
pub const RECEIVED_LATER: i32 = i32::MIN + 1;

/// The memory that a turn would receive into.
pub(super) struct Room<'call>(PhantomData<&'call mut [u8]>);

impl<'call> Room<'call> {
    pub(super) fn new(_modes: &'call [u8], _block: &'call mut [u8], _used: u32) -> Self {
        Self(PhantomData)
    }

    pub(super) fn at_most(self, _bytes: usize, _sources: usize) -> Receiver<'call> {
        Receiver(self.0)
    }
}

/// Receives for no source.
pub(super) struct Receiver<'call>(PhantomData<&'call mut [u8]>);

impl Receiver<'_> {
    /// Bytes received: 0.
    pub(super) fn received(&self) -> usize {
        0
    }

    pub(super) fn receive(&mut self, _core: &Core, event: Event) -> i32 {
        match event.token {}
    }

    pub(super) fn receive_at(&mut self, _core: &Core, _index: i32) -> i32 {
        NOT_RECEIVED
    }
}
