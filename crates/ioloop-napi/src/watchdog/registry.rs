//! The watched loops of the process, and the sampler.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ioloop::watchdog::{LONGEST_INTERVAL, Step};

use super::Ask;
use super::entry::Entry;
use super::report::Answer;
use super::task::Task;

static REGISTRY: Mutex<Registry> = Mutex::new(Registry {
    entries: Vec::new(),
    sampler: None,
    last_id: 0,
    is_running: false,
});
/// The registry has something that the thread has to look at now.
pub(super) static CHANGED: Condvar = Condvar::new();

pub(super) struct Registry {
    pub(super) entries: Vec<Entry>,
    pub(super) sampler: Option<Arc<Ask>>,
    pub(super) last_id: u32,
    pub(super) is_running: bool,
}

/// Ignores poisoning: a panic leaves each field whole.
pub(super) fn lock() -> MutexGuard<'static, Registry> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Registry {
    pub(super) fn entry_of(&mut self, question: u32) -> Option<&mut Entry> {
        self.entries
            .iter_mut()
            .find(|entry| entry.question == question && question != 0)
    }

    /// What follows a sample.
    pub(super) fn sampled(&mut self, id: u32, answer: Answer) -> Option<Task> {
        // The watch may have ended meanwhile.
        let entry = self.entries.iter_mut().find(|entry| entry.id == id)?;
        let report = entry.sampled(answer)?;
        Some(Task::Act(Arc::clone(&entry.action), report))
    }

    /// Looks at all loops. `watchdog` is the calling thread.
    pub(super) fn look(&mut self, started: Instant, watchdog: Option<libc::pid_t>) -> Vec<Task> {
        let mut tasks = Vec::new();
        // The environments of entries without a pulse have ended.
        self.entries.retain(|entry| entry.counter.read().is_some());
        for entry in &mut self.entries {
            let Some(pulse) = entry.counter.read() else {
                continue;
            };
            let moment = entry.advance(started, watchdog, pulse);
            // The watchdog may have lost its CPU in between.
            let steady = Some(pulse).filter(|_| entry.counter.read() == Some(pulse));
            let report = match entry.case.look(moment, steady) {
                Step::Wait => continue,
                Step::Sample => {
                    tasks.push(Task::Sample(entry.id, Arc::clone(&entry.subject)));
                    continue;
                }
                Step::Ask => {
                    self.last_id += 1;
                    entry.open(self.last_id);
                    // While the sampler starts, the question waits for it.
                    if let Some(ask) = &self.sampler {
                        let subject = Some(Arc::clone(&entry.subject));
                        tasks.push(Task::Ask(Arc::clone(ask), entry.question, subject));
                    }
                    continue;
                }
                step => entry.report(step),
            };
            tasks.extend(report.map(|report| Task::Act(Arc::clone(&entry.action), report)));
        }
        tasks
    }

    /// The time until the next look.
    pub(super) fn interval(&self) -> Duration {
        let intervals = self
            .entries
            .iter()
            .map(|entry| entry.case.watch().interval());
        intervals.min().unwrap_or(LONGEST_INTERVAL)
    }
}
