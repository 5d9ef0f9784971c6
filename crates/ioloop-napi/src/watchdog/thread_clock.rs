//! The clock of one thread, by what the system says about it.

use std::time::{Duration, Instant};

use ioloop::watchdog::{AttentiveClock, Moment};

use super::facts::Facts;

/// See [`AttentiveClock`].
#[derive(Default)]
pub(crate) struct ThreadClock {
    clock: AttentiveClock,
    last: Option<(Duration, Moment)>,
}

impl ThreadClock {
    /// Looks at the thread. `others` is as in [`AttentiveClock::advance`].
    ///
    /// Two looks at a thread that could run show whether it does: its CPU time is another one then.
    pub(crate) fn advance(
        &mut self,
        facts: &Facts,
        started: Instant,
        others: impl FnOnce(Duration) -> Duration,
    ) -> Moment {
        let (mut now, usage) = facts.look(started);
        let mut moment = self.clock.advance(now, usage, others);
        if usage.is_some_and(|usage| usage.is_runnable) {
            let (again, usage) = facts.look(started);
            moment = self.clock.advance(again, usage, |_| Duration::ZERO);
            now = again;
        }
        self.last = Some((now, moment));
        moment
    }

    /// Looks at the thread: how much of the time since the last look may it have waited for a CPU? Of
    /// the time before the first look nothing is known.
    pub(crate) fn waited(&mut self, facts: &Facts, started: Instant) -> Duration {
        let Some((before, last)) = self.last else {
            self.advance(facts, started, |_| Duration::ZERO);
            return Duration::ZERO;
        };
        let moment = self.advance(facts, started, |_| Duration::ZERO);
        let now = self.last.map_or(before, |(now, _)| now);
        let went_on = moment.least.saturating_sub(last.least);
        now.saturating_sub(before).saturating_sub(went_on)
    }
}
