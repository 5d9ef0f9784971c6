//! One watched loop: its case, the time of its thread, and its reports.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ioloop::watchdog::{Case, Moment, Pulse, Step};

use super::others::Others;
use super::pulse::Counter;
use super::report::{Action, Answer, Report};
use super::sampling::Subject;
use super::thread_clock::ThreadClock;

/// One watched loop.
pub(super) struct Entry {
    pub(super) id: u32,
    pub(super) counter: Arc<Counter>,
    pub(super) case: Case<Answer>,
    /// The number of the last question to the sampler.
    pub(super) question: u32,
    pub(super) clock: ThreadClock,
    pub(super) subject: Arc<Subject>,
    pub(super) others: Others,
    /// Why there is no stack, by the sampler.
    pub(super) reason: Option<String>,
    pub(super) action: Arc<Action>,
}

impl Entry {
    /// A new block: its question has this number.
    pub(super) fn open(&mut self, question: u32) {
        self.question = question;
        self.reason = None;
    }

    /// Advances the clock of the loop's thread. The other threads are looked at only while the loop
    /// makes no progress, and followed from the first such look on: a collection of garbage waits for
    /// its helpers, runs, and waits again, and of a thread that is looked at anew nothing is known.
    pub(super) fn advance(
        &mut self,
        started: Instant,
        watchdog: Option<libc::pid_t>,
        pulse: Pulse,
    ) -> Moment {
        let Self { others, .. } = self;
        let facts = &self.subject.facts;
        let is_quiet = self.case.watch().is_at(pulse);
        if !is_quiet {
            others.forget();
        }
        self.clock.advance(facts, started, |passed| {
            if is_quiet && facts.may_wait_for_thread() {
                return others.waited([facts.thread(), watchdog], started, passed);
            }
            Duration::ZERO
        })
    }

    /// The report of a step, if it makes one.
    pub(super) fn report(&mut self, step: Step<Answer>) -> Option<Report> {
        match step {
            Step::Wait | Step::Ask | Step::Sample => None,
            Step::Report(quiet, Some(answer)) => Report::first(quiet, answer),
            Step::Report(quiet, None) => {
                let reason = self.reason.take();
                let reason = reason.as_deref().unwrap_or(NATIVE);
                Report::first(quiet, Answer::missing(reason))
            }
            Step::Supplement(quiet, answer) => Report::late(quiet, answer),
        }
    }

    /// The report that follows the sample, if it makes one.
    pub(super) fn sampled(&mut self, answer: Answer) -> Option<Report> {
        if answer.stack.is_some() || answer.held {
            let step = self.case.sampled(Some(answer));
            return self.report(step);
        }
        let reason = self.reason.take();
        let answer = Answer {
            reason: reason.or(answer.reason),
            ..answer
        };
        match self.case.sampled(None) {
            Step::Report(quiet, _) => Report::first(quiet, answer),
            _ => None,
        }
    }

    pub(super) fn is_blocked(&mut self) -> bool {
        let pulse = self.counter.read();
        pulse.is_some_and(|pulse| self.case.watch().is_at(pulse))
    }
}

const NATIVE: &str = "JavaScript was not reached";
