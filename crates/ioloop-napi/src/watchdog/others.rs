//! The other threads of this process, as far as they wait for a CPU: a thread that sleeps may wait for
//! one of them, as for a helper of the garbage collector or for the sampler. Linux's `/proc`;
//! elsewhere nothing is known.

use std::collections::HashMap;
use std::fs;
use std::time::{Duration, Instant};

use super::facts::Facts;
use super::thread_clock::ThreadClock;

/// The clocks of the other threads, while the watched one is quiet.
#[derive(Default)]
pub(crate) struct Others {
    threads: HashMap<libc::pid_t, Other>,
}

struct Other {
    facts: Facts,
    clock: ThreadClock,
    is_present: bool,
}

impl Others {
    /// The longest wait for a CPU of any thread but these since the last look, which was `passed` ago.
    /// Of a thread that is new nothing is known.
    pub(crate) fn waited(
        &mut self,
        except: [Option<libc::pid_t>; 2],
        started: Instant,
        passed: Duration,
    ) -> Duration {
        let tasks = fs::read_dir("/proc/self/task").into_iter().flatten();
        let names = tasks.filter_map(|task| task.ok()?.file_name().into_string().ok());
        let ids = names.filter_map(|name| name.parse().ok());
        let mut longest = Duration::ZERO;
        for id in ids.filter(|id| !except.contains(&Some(*id))) {
            let other = self.threads.entry(id).or_insert_with(|| Other {
                facts: Facts::of(id),
                clock: ThreadClock::default(),
                is_present: true,
            });
            other.is_present = true;
            longest = longest.max(other.clock.waited(&other.facts, started));
        }
        self.threads
            .retain(|_, other| std::mem::take(&mut other.is_present));
        longest.min(passed)
    }

    /// The next look is the first one.
    pub(crate) fn forget(&mut self) {
        self.threads.clear();
    }
}
