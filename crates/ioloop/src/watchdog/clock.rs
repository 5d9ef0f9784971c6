//! The time that counts for a watched thread: that in which it had a CPU or was asleep.
//!
//! The system counts the time in which a thread has run, and the waits for a CPU that have ended. The
//! rest of the time that has passed is sleep and the present wait. A sleeping thread has no present
//! wait. That of another one has begun after the thread has last run, which two looks show: the
//! difference is the least and the most that it can have slept.
//!
//! | The thread, at a look | Its present wait is at most |
//! | --- | --- |
//! | sleeps | nothing |
//! | could run, and has run since the last look | the time since the last look, less that in which it has run |
//! | could run, and has not | what it was at the last look, and the time since |
//!
//! The clock runs by the least. It may be behind by the time between two looks, and is never ahead by
//! more than a look takes.

use std::time::Duration;

/// What a pause between two looks counts at most, unless the thread has used the CPU all the while.
pub const LONGEST_STEP: Duration = Duration::from_millis(20);

/// What the system says about a thread at one look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The time in which it has run so far, read before the time of the look.
    pub cpu_before: Duration,
    /// The same, read after the time of the look.
    pub cpu: Duration,
    /// The time in which it was able to run and has waited for a CPU, read before the time of the
    /// look. A wait is counted when it ends.
    pub waits_before: Duration,
    /// The same, read after the time of the look.
    pub waits: Duration,
    /// How often it has gone to sleep. `None` if it may have slept since the time of the look.
    pub sleeps: Option<u64>,
    /// It runs, or could run. If not, it did not wait for a CPU at the time of the look.
    pub is_runnable: bool,
}

/// A moment of an [`AttentiveClock`], which lies between these two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// It is not earlier than this.
    pub least: Duration,
    /// It is not later than this.
    pub most: Duration,
}

/// A clock for one watched thread: the time in which that thread had a CPU or was asleep, and in which
/// the looking thread could look. The table above has the rule.
#[derive(Debug, Default)]
pub struct AttentiveClock {
    last: Option<Look>,
    time: Duration,
    /// The sleep since the first look, at least.
    slept: Duration,
    /// By how much `slept` may turn out to be more: what counts of it, and what does not.
    room: Duration,
    excess: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Look {
    now: Duration,
    known: Option<Known>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    usage: Usage,
    /// The time that has passed since the first look, less that in which the thread has run, and less
    /// its waits that have ended.
    rest: Rest,
    /// The present wait has not begun before this time.
    free_until: Duration,
}

/// Nanoseconds. Less than nothing while the system is behind with its counts.
type Rest = i128;

impl AttentiveClock {
    /// The moment at `now` of a monotonic clock. `others` is called if the thread may have slept, with
    /// the time since the last look: how long did a thread that this one may wait for wait for a CPU?
    pub fn advance(
        &mut self,
        now: Duration,
        usage: Option<Usage>,
        others: impl FnOnce(Duration) -> Duration,
    ) -> Moment {
        let last = self.last;
        let passed = last.map_or(Duration::ZERO, |last| now.saturating_sub(last.now));
        let before = last.and_then(|last| last.known);
        let known = usage.map(|usage| Known::after(before, last, now, usage));
        self.last = Some(Look { now, known });
        if let (Some(before), Some(known)) = (before, known) {
            self.step(passed, before, known, others);
        } else {
            self.time += passed.min(LONGEST_STEP);
            (self.room, self.excess) = (Duration::ZERO, Duration::ZERO);
            self.slept = known.map_or(Duration::ZERO, |known| known.slept_least(now));
        }
        Moment {
            least: self.time,
            most: self.time + self.room,
        }
    }

    fn step(
        &mut self,
        passed: Duration,
        before: Known,
        known: Known,
        others: impl FnOnce(Duration) -> Duration,
    ) {
        let now = self.last.map_or(Duration::ZERO, |last| last.now);
        self.time += known.usage.cpu.saturating_sub(before.usage.cpu);
        // How much more sleep there may be than `slept`: `excess` and `room` of before the last look.
        let open = known.slept_most().saturating_sub(self.slept);
        self.excess = self.excess.min(open);
        self.room = self.room.min(open.saturating_sub(self.excess));
        let (mut fresh_excess, mut fresh_room) = (Duration::ZERO, Duration::ZERO);
        // What a thread that was awake has neither used nor waited was taken by the machine.
        if !known.was_awake_since(before) {
            fresh_excess = open.saturating_sub(self.excess + self.room);
            let step = passed.saturating_sub(others(passed)).min(LONGEST_STEP);
            fresh_room = take(&mut fresh_excess, step);
        }
        let mut found = known.slept_least(now).saturating_sub(self.slept);
        self.slept += found;
        // At worst it is sleep of before the last look, and such as does not count.
        found = found.saturating_sub(take(&mut self.excess, found));
        let counted = take(&mut self.room, found);
        found = found.saturating_sub(counted);
        self.time += counted;
        found = found.saturating_sub(take(&mut fresh_excess, found));
        self.time += take(&mut fresh_room, found);
        self.excess += fresh_excess;
        self.room += fresh_room;
    }
}

impl Known {
    fn after(before: Option<Self>, last: Option<Look>, now: Duration, usage: Usage) -> Self {
        let (Some(before), Some(last)) = (before, last) else {
            let ran = nanos(usage.cpu) - nanos(usage.cpu_before);
            let waited = nanos(usage.waits) - nanos(usage.waits_before);
            return Self {
                usage,
                rest: -ran - waited,
                free_until: now,
            };
        };
        let ran = nanos(usage.cpu) - nanos(before.usage.cpu);
        let waited = nanos(usage.waits) - nanos(before.usage.waits);
        let ran_before_now = usage.cpu_before.saturating_sub(before.usage.cpu);
        let free_until = if !usage.is_runnable {
            now
        } else if ran_before_now > Duration::ZERO {
            (last.now + ran_before_now).min(now)
        } else {
            before.free_until
        };
        Self {
            usage,
            rest: before.rest + nanos(now) - nanos(last.now) - ran - waited,
            free_until,
        }
    }

    /// Whether it has not slept since.
    fn was_awake_since(self, before: Self) -> bool {
        let (before, after) = (before.usage, self.usage);
        let is_runnable = before.is_runnable && after.is_runnable;
        is_runnable && before.sleeps.is_some() && before.sleeps == after.sleeps
    }

    fn slept_least(self, now: Duration) -> Duration {
        duration(self.rest - nanos(now.saturating_sub(self.free_until)))
    }

    /// What the thread has used during the look may be later than the time of the look.
    fn slept_most(self) -> Duration {
        let Usage {
            cpu_before,
            cpu,
            waits_before,
            waits,
            ..
        } = self.usage;
        let during = cpu.saturating_sub(cpu_before) + waits.saturating_sub(waits_before);
        duration(self.rest + nanos(during))
    }
}

/// Takes at most so much.
fn take(from: &mut Duration, most: Duration) -> Duration {
    let taken = most.min(*from);
    *from -= taken;
    taken
}

fn nanos(time: Duration) -> Rest {
    Rest::try_from(time.as_nanos()).unwrap_or(Rest::MAX)
}

/// Nothing, for less than nothing.
fn duration(rest: Rest) -> Duration {
    u64::try_from(rest).map_or(Duration::ZERO, Duration::from_nanos)
}
