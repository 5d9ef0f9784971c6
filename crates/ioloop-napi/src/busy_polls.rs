//! How often a loop has polled for events in place of a sleep. Node's loop does it, by
//! `uv/busy_poll.rs`; other drivers sleep.

use std::cell::Cell;

/// Counts of one loop since it was made.
#[derive(Default)]
pub(crate) struct BusyPolls {
    begun: Cell<u64>,
    answered: Cell<u64>,
}

impl BusyPolls {
    /// Those that began, and those in which an event has come.
    pub(crate) fn counts(&self) -> [u64; 2] {
        [self.begun.get(), self.answered.get()]
    }
}

#[cfg(not(selector = "none"))]
impl BusyPolls {
    pub(crate) fn add_begun(&self) {
        self.begun.set(self.begun.get() + 1);
    }

    pub(crate) fn add_answered(&self) {
        self.answered.set(self.answered.get() + 1);
    }
}
