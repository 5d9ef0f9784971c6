//! The model of the timers: a sorted map.

use ioloop::event_loop::{SLACK_BURST, TIMER_SLACK};
use ioloop::timer::TimerId;

use super::World;

impl World {
    pub(super) fn arm(&mut self, id: u32, deadline: u64) {
        self.forget(id);
        self.insertions += 1;
        self.timers.insert((deadline, self.insertions), id);
        self.event_loop.wheel_mut().arm(TimerId(id), deadline);
    }

    /// Removes a timer from the model. Whether it was armed.
    pub(super) fn forget(&mut self, id: u32) -> bool {
        let before = self.timers.len();
        self.timers.retain(|_, armed| *armed != id);
        self.timers.len() < before
    }

    pub(super) fn expire(&mut self) -> Vec<TimerId> {
        let due = self.timers.range(..=(self.now, u64::MAX));
        let keys: Vec<_> = due.map(|(&key, _)| key).take(self.budgets.timers).collect();
        let fired: Vec<_> = keys
            .iter()
            .filter_map(|key| self.timers.remove(key))
            .map(TimerId)
            .collect();
        if fired.len() >= SLACK_BURST {
            self.slack_until = self.now + TIMER_SLACK;
        }
        fired
    }

    #[track_caller]
    pub(super) fn check_wake(&self) {
        let wake = self.event_loop.next_wake(self.now);
        let slack_until = self.slack_until.min(self.now + TIMER_SLACK);
        let earliest = self.timers.first_key_value();
        let expected = earliest.map(|((deadline, _), _)| (*deadline).max(slack_until));
        assert_eq!(wake.is_some(), expected.is_some());
        assert!(wake <= expected, "{wake:?} is after {expected:?}");
        if self.timers.len() <= 8 {
            assert_eq!(wake, expected, "few timers, so an exact answer");
        }
    }
}
