//! Detection of a blocked loop, as arithmetic: the caller brings the pulse and the time.
//!
//! A thread that is not blocked shows it in one of two ways: it begins an iteration of its event
//! loop, or it spends time in the wait for events. Both are counters, so that a pulse that has not
//! changed between two looks is a thread that runs one piece of code all the while.
//!
//! | State | Meaning | Next state |
//! | --- | --- | --- |
//! | alive | the pulse has changed since the last look, or this is the first look | quiet: the next look sees the same pulse |
//! | quiet | the pulse is the same for less than the threshold | alive; blocked |
//! | blocked | it is the same for longer; reported once, by [`Verdict::Blocked`] | alive |
//!
//! # Time
//!
//! The threshold is compared with the time of an [`AttentiveClock`]. It counts a pause of the looking
//! thread itself as one step of bounded length: a process that was stopped (SIGSTOP, a debugger of
//! the system, a suspended machine) is not a blocked loop. Nor is a thread that waits for a CPU: the
//! clock leaves that time out.

mod case;
mod clock;
mod code_map;

use std::time::Duration;

pub use case::{ANSWER_LIMIT, Case, Patience, Sampler, Step};
pub use clock::{AttentiveClock, LONGEST_STEP, Moment, Usage};
pub use code_map::{CAPACITY, CodeMap, Function};

/// What one look at a thread has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// Iterations of the thread's event loop so far; may wrap.
    pub iterations: u32,
    /// Nanoseconds that the thread has waited for events so far, the present wait included.
    pub idle: u64,
}

/// The result of a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The thread has made progress since the last look.
    Alive,
    /// No progress for this long, which is less than the threshold, or was reported before.
    Quiet(Duration),
    /// No progress for this long, which is the threshold or more. Once per block.
    Blocked(Duration),
}

/// Watches one loop. Times are those of one [`AttentiveClock`].
#[derive(Debug)]
pub struct Watch {
    threshold: Duration,
    last: Option<Pulse>,
    /// The latest time of the first look that saw `last`.
    since: Duration,
    /// The time from there to the last look, at least.
    quiet: Duration,
    is_reported: bool,
}

impl Watch {
    /// A watch that has seen nothing yet: the threshold begins with its first look.
    #[must_use]
    pub const fn new(threshold: Duration) -> Self {
        Self {
            threshold,
            last: None,
            since: Duration::ZERO,
            quiet: Duration::ZERO,
            is_reported: false,
        }
    }

    /// Looks at the thread at the moment `now`. `pulse` is `None` if it has changed during the look.
    pub fn look(&mut self, now: Moment, pulse: Option<Pulse>) -> Verdict {
        if pulse.is_none() || self.last != pulse {
            self.last = pulse;
            self.since = now.most;
            self.quiet = Duration::ZERO;
            self.is_reported = false;
            return Verdict::Alive;
        }
        let quiet = now.least.saturating_sub(self.since);
        self.quiet = quiet;
        if self.is_reported || quiet < self.threshold {
            return Verdict::Quiet(quiet);
        }
        self.is_reported = true;
        Verdict::Blocked(quiet)
    }

    /// Whether `pulse` is the one of the last look: no progress since.
    #[must_use]
    pub fn is_at(&self, pulse: Pulse) -> bool {
        self.last == Some(pulse)
    }

    /// The longest time until the next look with which a report is in time.
    #[must_use]
    pub fn interval(&self) -> Duration {
        let interval = (self.threshold / 4).clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL);
        if self.is_reported {
            return interval;
        }
        let left = self.threshold.saturating_sub(self.quiet);
        interval.min(left.max(SHORTEST_INTERVAL))
    }
}

/// A threshold of less than four of these is reported later than it could be.
pub const SHORTEST_INTERVAL: Duration = Duration::from_millis(1);
/// The longest time between two looks.
pub const LONGEST_INTERVAL: Duration = Duration::from_millis(10);
