//! Modes: how a turn treats a source, and which system calls its descriptor needs.

use std::io::IoSlice;

use ioloop::{Result, net};
use napi_derive::napi;

use crate::fd::JsFd;

/// Bit of a mode: a stream's source, edge-triggered. Without it, a handler's.
#[napi]
pub const MODE_STREAM: u8 = 1;

/// Bit of a mode: the turn receives when the source is readable.
#[napi]
pub const MODE_RECEIVE: u8 = 2;

/// Bit of a mode: not a socket, so `read(2)` and `write(2)` apply.
#[napi]
pub const MODE_FILE: u8 = 4;

/// A sum of the `MODE_` bits.
#[derive(Clone, Copy)]
pub(crate) struct Mode(u8);

impl Mode {
    pub(crate) const fn new(bits: u8) -> Self {
        Self(bits)
    }

    pub(crate) const fn receives(self) -> bool {
        self.0 & MODE_RECEIVE != 0
    }

    const fn is_file(self) -> bool {
        self.0 & MODE_FILE != 0
    }

    pub(crate) fn receive(self, fd: JsFd, buffer: &mut [u8]) -> Result<usize> {
        if self.is_file() {
            net::read(fd, buffer)
        } else {
            net::recv(fd, buffer)
        }
    }

    pub(crate) fn send(self, fd: JsFd, slices: &[IoSlice<'_>]) -> Result<usize> {
        match slices {
            [only] if self.is_file() => net::write(fd, only),
            [only] => net::send(fd, only),
            _ if self.is_file() => net::write_vectored(fd, slices),
            _ => net::send_vectored(fd, slices),
        }
    }
}
