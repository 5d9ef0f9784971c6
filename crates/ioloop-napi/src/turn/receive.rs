//! Receiving within a turn: the bytes of a stream cross together with its readiness.
//!
//! `modes` has a byte for each index of a registration (`io/mode.rs`). The turn receives for the
//! ready sources that have [`MODE_RECEIVE`](crate::io::mode::MODE_RECEIVE), into one block, in the
//! order of the completions and without gaps. A source for which the block has no room is reported
//! as readable only; JavaScript receives later.

use ioloop::reactor::{Event, Readiness};
use napi_derive::napi;

use crate::errno::or_errno;
use crate::io::mode::Mode;
use crate::native_loop::Core;

/// In the place of a number of bytes: nothing was received, as the stream does not wait for data or
/// the block is full.
#[napi]
pub const NOT_RECEIVED: i32 = i32::MIN;

/// In the place of a number of bytes: nothing was received yet, as the turn receives for few streams at
/// a time. `loopReceive` follows.
#[napi]
pub const RECEIVED_LATER: i32 = i32::MIN + 1;

/// The memory that a turn receives into, and what it receives for.
pub(super) struct Room<'call> {
    modes: &'call [u8],
    /// The free part of the block.
    free: &'call mut [u8],
}

impl<'call> Room<'call> {
    /// `block` from `used` on.
    pub(super) fn new(modes: &'call [u8], block: &'call mut [u8], used: u32) -> Self {
        let free = block.get_mut(used as usize..).unwrap_or_default();
        Self { modes, free }
    }

    /// Receives at most `bytes` from each source, and for at most `sources` of them. A source that gave
    /// so many bytes may have more.
    pub(super) fn at_most(self, bytes: usize, sources: usize) -> Receiver<'call> {
        let size = self.free.len();
        Receiver {
            room: self,
            size,
            bytes,
            left: sources,
        }
    }
}

/// Receives for the sources of one turn.
pub(super) struct Receiver<'call> {
    room: Room<'call>,
    /// Bytes that were free when the turn began.
    size: usize,
    bytes: usize,
    /// Sources that it may still receive for.
    left: usize,
}

impl Receiver<'_> {
    /// Bytes received from all sources so far.
    pub(super) fn received(&self) -> usize {
        self.size - self.room.free.len()
    }

    /// Bytes received from the source of this event: 0 at EOF, a negative errno, or
    /// [`NOT_RECEIVED`].
    pub(super) fn receive(&mut self, core: &Core, event: Event) -> i32 {
        let mode = self.mode(event);
        if !mode.receives() || !event.readiness.contains(Readiness::READABLE) {
            return NOT_RECEIVED;
        }
        if self.left == 0 {
            return RECEIVED_LATER;
        }
        self.left -= 1;
        let Some(room) = self.room.free.get_mut(..self.bytes) else {
            return NOT_RECEIVED;
        };
        let Some(&fd) = core.reactor().source(event.token) else {
            return NOT_RECEIVED;
        };
        let received = mode.receive(fd, room);
        let used = *received.as_ref().unwrap_or(&0);
        self.room.free = std::mem::take(&mut self.room.free)
            .get_mut(used..)
            .unwrap_or_default();
        or_errno(|| received)
    }

    /// [`receive`](Self::receive) for the source at `index`, which was reported as readable.
    pub(super) fn receive_at(&mut self, core: &Core, index: i32) -> i32 {
        let token = u32::try_from(index)
            .ok()
            .and_then(|index| core.reactor().token_at(index));
        // Code of the program has run since the report.
        let token = token.filter(|&token| core.reactor().is_reported(token));
        token.map_or(NOT_RECEIVED, |token| {
            let readiness = Readiness::READABLE;
            self.receive(core, Event { token, readiness })
        })
    }

    fn mode(&self, event: Event) -> Mode {
        let index = event.token.index() as usize;
        Mode::new(self.room.modes.get(index).copied().unwrap_or_default())
    }
}
