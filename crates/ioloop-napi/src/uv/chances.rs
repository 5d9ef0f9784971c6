//! Whether it pays to wait before Node's loop sleeps, from the waits before.
//!
//! | The last wait | The next one |
//! | --- | --- |
//! | was answered | is made |
//! | was not, or was the last of [`MOST_SLOW`] slow ones | is made after as many expectations as were passed over before, doubled; at most [`MOST_PASSED`] |

use std::time::Duration;

/// The chances of one kind of wait.
pub(super) struct Chances {
    /// An answer after more than this is a slow one.
    patience: Duration,
    /// Expectations to pass over.
    left: u32,
    /// Those that are passed over after the next wait without an answer.
    penalty: u32,
    /// Slow answers in a row.
    slow: u32,
}

impl Chances {
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            patience,
            left: 0,
            penalty: 1,
            slow: 0,
        }
    }

    /// Something is expected. False passes it over.
    pub(super) fn is_due(&mut self) -> bool {
        let is_due = self.left == 0;
        self.left = self.left.saturating_sub(1);
        is_due
    }

    /// `took` is the time until the answer, if there is one.
    pub(super) fn has_waited(&mut self, took: Option<Duration>) {
        let is_fast = took.is_some_and(|took| took <= self.patience);
        self.slow = if is_fast { 0 } else { self.slow + 1 };
        if is_fast || (took.is_some() && self.slow < MOST_SLOW) {
            self.penalty = 1;
        } else {
            self.slow = 0;
            self.left = self.penalty;
            self.penalty = MOST_PASSED.min(2 * self.penalty);
        }
    }
}

const MOST_SLOW: u32 = 8;
/// Bounds the cost of waits in vain to a 65th of a wait for each expectation.
const MOST_PASSED: u32 = 64;
