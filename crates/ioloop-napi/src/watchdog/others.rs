//! The other threads of this process, as far as they wait for a CPU: a thread that sleeps may wait for
//! one of them, as for a helper of the garbage collector or for the sampler. Linux's `/proc`;
//! elsewhere nothing is known.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

/// What the system has counted for each thread at the last look.
#[derive(Default)]
pub(crate) struct Others {
    last: HashMap<String, Schedule>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Schedule {
    ran: u64,
    waited: u64,
    slices: u64,
}

impl Others {
    /// The longest wait for a CPU of any thread but `watched` since the last look, which was `passed`
    /// ago. Nothing is known at the first look.
    pub(crate) fn waited(&mut self, watched: Option<libc::pid_t>, passed: Duration) -> Duration {
        let Some(watched) = watched else {
            return Duration::ZERO;
        };
        let watched = watched.to_string();
        let tasks = fs::read_dir("/proc/self/task").into_iter().flatten();
        let names = tasks.filter_map(|task| task.ok()?.file_name().into_string().ok());
        let threads = names
            .filter(|name| *name != watched)
            .filter_map(|name| Schedule::of(&name).map(|schedule| (name, schedule)));
        let present: HashMap<String, Schedule> = threads.collect();
        let waits = present.iter().map(|(name, &schedule)| {
            let before = self.last.get(name);
            before.map_or(Duration::ZERO, |before| {
                schedule.waited_since(*before, name, passed)
            })
        });
        let longest = waits.max().unwrap_or_default();
        self.last = present;
        longest.min(passed)
    }

    /// The next look is the first one.
    pub(crate) fn forget(&mut self) {
        self.last.clear();
    }
}

impl Schedule {
    fn of(thread: &str) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/self/task/{thread}/schedstat")).ok()?;
        let mut numbers = text.split_whitespace().map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some(Self {
            ran: next()?,
            waited: next()?,
            slices: next()?,
        })
    }

    /// The system counts a wait when it ends. A thread that could run and has not, waits.
    fn waited_since(self, before: Self, thread: &str, passed: Duration) -> Duration {
        if self == before && is_runnable(thread) {
            return passed;
        }
        Duration::from_nanos(self.waited.saturating_sub(before.waited))
    }
}

/// The letter after the name, which ends with the last bracket.
fn is_runnable(thread: &str) -> bool {
    let stat = fs::read(format!("/proc/self/task/{thread}/stat")).unwrap_or_default();
    let name = stat.iter().rposition(|&byte| byte == b')');
    name.is_some_and(|at| stat.get(at + 2) == Some(&b'R'))
}
