//! Receiving inside of the turn: what is readable crosses together with the news that it is.
//!
//! `modes` says by index what a source is: 0 for a handler's, else a stream's, with [`MODE_RECEIVE`]
//! while somebody waits for its data. The data of all goes to one slab, in the order of the
//! completions and without gaps. A source for which the slab has no room left is reported as
//! readable, and JavaScript receives by itself.

use ioloop::event_loop::EventLoop;
use ioloop::net;
use ioloop::reactor::{Event, Readiness};
use napi_derive::napi;

use crate::fd::JsFd;
use crate::transfer;

/// Mode of a source: a stream's, edge-triggered. Its readiness is only reported.
#[napi]
pub const MODE_STREAM: u8 = 1;

/// Bit of a mode: receive what is readable.
#[napi]
pub const MODE_RECEIVE: u8 = 2;

/// Bit of a mode: it is no socket, `read(2)` and `write(2)` apply.
#[napi]
pub const MODE_FILE: u8 = 4;

/// In the place of a number of bytes: nothing was received, as nobody waits or there is no room.
#[napi]
pub const NOT_RECEIVED: i32 = i32::MIN;

/// Where a turn receives to.
pub(crate) struct Receiver<'a> {
    modes: &'a [u8],
    /// What is left of the slab.
    room: &'a mut [u8],
    /// Most bytes that the turn receives from a source. One that had so many may have more.
    most: usize,
}

impl<'a> Receiver<'a> {
    /// Receives to `slab`, from `used` on, at most `most` bytes from each source.
    pub(crate) fn new(modes: &'a [u8], slab: &'a mut [u8], used: u32, most: usize) -> Self {
        let room = slab.get_mut(used as usize..).unwrap_or_default();
        Self { modes, room, most }
    }

    /// Bytes received from the source of this event: 0 at the end of the stream, a negative errno,
    /// or [`NOT_RECEIVED`].
    pub(crate) fn receive(&mut self, core: &EventLoop<JsFd, ()>, event: Event) -> i32 {
        let mode = self.mode(event);
        let readable = event.readiness.contains(Readiness::READABLE);
        if mode & MODE_RECEIVE == 0 || !readable {
            return NOT_RECEIVED;
        }
        let Some(room) = self.room.get_mut(..self.most) else {
            return NOT_RECEIVED;
        };
        let Some(&fd) = core.reactor().source(event.token) else {
            return NOT_RECEIVED;
        };
        let result = if mode & MODE_FILE == 0 {
            net::recv(fd, room)
        } else {
            net::read(fd, room)
        };
        let used = *result.as_ref().unwrap_or(&0);
        self.room = std::mem::take(&mut self.room)
            .get_mut(used..)
            .unwrap_or_default();
        transfer::answer(result)
    }

    fn mode(&self, event: Event) -> u8 {
        let index = event.token.index() as usize;
        self.modes.get(index).copied().unwrap_or_default()
    }
}
