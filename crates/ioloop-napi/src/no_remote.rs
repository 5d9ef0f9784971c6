//! Calls between threads, where they share no memory: there are none. A module of WebAssembly belongs
//! to one thread.

#![allow(clippy::unused_self, reason = "the signatures are those of remote/")]

use std::convert::Infallible;

/// A command of another thread: there are none.
pub(crate) type Command = Infallible;

/// What a loop has for its callers: nothing.
pub(crate) struct Owner;

impl Owner {
    pub(crate) fn new(_posts: u32) -> Self {
        Self
    }

    /// Whether there are posts to take.
    pub(crate) fn collect(&mut self, _is_woken: bool) -> bool {
        false
    }
}
