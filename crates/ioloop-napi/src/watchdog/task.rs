//! What the watchdog's thread does, without the lock of the registry.

use std::sync::Arc;
use std::time::Instant;

use napi::threadsafe_function::ThreadsafeFunctionCallMode;

use super::Ask;
use super::facts::Facts;
use super::registry::{CHANGED, lock};
use super::report::{Action, Answer, Report};
use super::sampling::Subject;

/// One thing to do.
pub(super) enum Task {
    /// With the subject of the watchdog's own thread, which alone takes samples.
    Ask(Arc<Ask>, u32, Option<Arc<Subject>>),
    /// For the entry of this number.
    Sample(u32, Arc<Subject>),
    Act(Arc<Action>, Report),
}

impl Task {
    pub(super) fn run(self) {
        match self {
            // Before the inspector has work there: a thread that a debugger has paused does that work
            // too, and looks busy meanwhile.
            Self::Ask(_, question, Some(subject)) if subject.is_paused() => {
                if let Some(entry) = lock().entry_of(question) {
                    entry.case.answer(Answer::held());
                }
            }
            Self::Ask(sampler, question, _) => {
                // It fails only while the sampler ends; the answer is missing then.
                sampler.call((question,).into(), ThreadsafeFunctionCallMode::NonBlocking);
            }
            Self::Sample(id, subject) => {
                let answer = subject.sample();
                let next = lock().sampled(id, answer);
                if let Some(next) = next {
                    next.run();
                }
            }
            Self::Act(action, report) => action.run(report),
        }
    }
}

/// The thread's function. Ends when nothing is watched.
pub(super) fn run() {
    let started = Instant::now();
    let watchdog = Facts::of_this_thread().thread();
    loop {
        let mut registry = lock();
        if registry.entries.is_empty() {
            registry.is_running = false;
            return;
        }
        let tasks = registry.look(started, watchdog);
        drop(registry);
        for task in tasks {
            task.run();
        }
        let registry = lock();
        let interval = registry.interval();
        let woken = CHANGED.wait_timeout(registry, interval);
        drop(woken);
    }
}
