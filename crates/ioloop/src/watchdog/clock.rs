//! The time that counts for a watched thread: that in which it could run, and the watchdog could look.

use std::time::Duration;

/// What a pause between two looks counts at most.
pub const LONGEST_STEP: Duration = Duration::from_millis(50);

/// A clock for one watched thread: the time in which that thread could run, and in which the looking
/// thread could look.
#[derive(Debug, Default)]
pub struct AttentiveClock {
    last: Option<Look>,
    time: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Look {
    now: Duration,
    starved: Duration,
}

impl AttentiveClock {
    /// The time at `now` of a monotonic clock. A step longer than [`LONGEST_STEP`] counts as that.
    /// `starved` is how long the thread has waited for a CPU so far. The system counts a wait when
    /// it ends, so that this clock may go back.
    pub fn advance(&mut self, now: Duration, starved: Duration) -> Duration {
        let last = self.last.replace(Look { now, starved });
        let Some(last) = last else {
            return self.time;
        };
        let passed = now.saturating_sub(last.now);
        let step = passed.min(LONGEST_STEP);
        // A step that was cut short has left out as much of the wait.
        let waited = starved.saturating_sub(last.starved);
        let waited = waited.saturating_sub(passed.saturating_sub(step));
        self.time = (self.time + step).saturating_sub(waited);
        self.time
    }
}

/// How long a thread has waited for a CPU, the present wait included: an estimate that only grows.
///
/// The system counts a wait when it ends. A thread that could run and has used no CPU from one look to
/// the next waits all the while, so that this time is added at once.
#[derive(Debug, Default)]
pub struct Starvation {
    last: Option<Use>,
    estimate: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Use {
    now: Duration,
    cpu: Duration,
}

impl Starvation {
    /// The estimate at `now`. `counted` are the waits that have ended, `cpu` is the time that the
    /// thread has used. `is_runnable` is asked only if it has used none since the last look.
    pub fn at(
        &mut self,
        now: Duration,
        counted: Duration,
        cpu: Duration,
        is_runnable: impl FnOnce() -> bool,
    ) -> Duration {
        let last = self.last.replace(Use { now, cpu });
        if let Some(last) = last
            && cpu == last.cpu
            && is_runnable()
        {
            self.estimate += now.saturating_sub(last.now);
        }
        self.estimate = self.estimate.max(counted);
        self.estimate
    }
}
