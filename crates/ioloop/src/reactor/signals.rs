//! What a turn of the reactor has found besides its events. Without a selector: nothing.

use std::io;

/// The result of a turn besides its events.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    /// The alarm has fired.
    pub(crate) alarm: bool,
    /// Sources were not asked or not reported: the budget was spent, or a call failed.
    pub(crate) more: bool,
    /// The waker was called. Its event is consumed, so the commands have to be collected.
    pub(crate) woken: bool,
    /// The first error. The events and the other signals are valid.
    pub(crate) failure: Option<io::Error>,
}

impl Signals {
    /// Whether there is something to do for them, beside the events.
    pub(crate) fn has_work(&self) -> bool {
        self.alarm || self.more || self.woken || self.failure.is_some()
    }
}
