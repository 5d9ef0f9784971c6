//! The time that counts for a watched thread: that in which it could run, and the watchdog could look.

use std::time::Duration;

/// What a pause between two looks counts at most, unless the thread has used the CPU all the while.
pub const LONGEST_STEP: Duration = Duration::from_millis(20);

/// What the system says about a thread at one look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The time in which it has run so far.
    pub cpu: Duration,
    /// The time in which it was able to run and has waited for a CPU. A wait is counted when it ends.
    pub waits: Duration,
    /// How often it has gone to sleep.
    pub sleeps: u64,
    /// It runs, or could run.
    pub is_runnable: bool,
}

/// A clock for one watched thread: the time in which that thread had a CPU or was asleep, and in which
/// the looking thread could look.
///
/// | The thread, from one look to the next | The step of the clock |
/// | --- | --- |
/// | has not slept | the time in which it has run: the rest was a wait for a CPU |
/// | has slept, or nothing is known about it | the time that has passed, at most [`LONGEST_STEP`], without the waits that have ended, and those of the threads that it may wait for |
#[derive(Debug, Default)]
pub struct AttentiveClock {
    last: Option<Look>,
    time: Duration,
    /// Waits that were left out before the system has counted them.
    ahead: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Look {
    now: Duration,
    usage: Option<Usage>,
}

impl AttentiveClock {
    /// The time at `now` of a monotonic clock. This clock goes back when a wait that it did not know
    /// of has ended. `others` is called if the thread has slept, with the time since the last look:
    /// how long did a thread that this one may wait for wait for a CPU?
    pub fn advance(
        &mut self,
        now: Duration,
        usage: Option<Usage>,
        others: impl FnOnce(Duration) -> Duration,
    ) -> Duration {
        let last = self.last.replace(Look { now, usage });
        let Some(last) = last else {
            return self.time;
        };
        let passed = now.saturating_sub(last.now);
        match (last.usage, usage) {
            (Some(before), Some(after)) => self.step(passed, before, after, others),
            _ => self.time += passed.min(LONGEST_STEP),
        }
        self.time
    }

    fn step(
        &mut self,
        passed: Duration,
        before: Usage,
        after: Usage,
        others: impl FnOnce(Duration) -> Duration,
    ) {
        let counted = after.waits.saturating_sub(before.waits);
        let is_awake = before.is_runnable && after.is_runnable && before.sleeps == after.sleeps;
        if is_awake {
            let ran = after.cpu.saturating_sub(before.cpu).min(passed);
            self.ahead = (self.ahead + passed.saturating_sub(ran)).saturating_sub(counted);
            self.time += ran;
            return;
        }
        let unknown = counted.saturating_sub(self.ahead);
        self.ahead = if after.is_runnable {
            self.ahead.saturating_sub(counted)
        } else {
            // The system has counted all waits of a thread that sleeps.
            Duration::ZERO
        };
        let step = passed.saturating_sub(others(passed)).min(LONGEST_STEP);
        // A step that was cut short has left out as much of the wait.
        let waited = unknown.saturating_sub(passed.saturating_sub(step));
        self.time = (self.time + step).saturating_sub(waited);
    }
}
