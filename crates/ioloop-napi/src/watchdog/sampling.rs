//! The answer of the watchdog itself, when the sampler has none: a sample of the stack.

use std::sync::Arc;
use std::time::Duration;

use ioloop::watchdog::Function;

use super::facts::Facts;
use super::report::Answer;
use super::system_call::SystemCall;
use super::{Probe, Sample};

/// A watched thread, as far as it can be looked at from another one.
pub(crate) struct Subject {
    pub(crate) facts: Facts,
    /// `None` where stacks cannot be sampled.
    pub(crate) probe: Option<Arc<Probe>>,
    /// The beginning of the places of this package's functions.
    pub(crate) own: String,
}

/// A wait for another thread.
struct Wait {
    call: SystemCall,
    /// The time in which the thread had run before.
    cpu: Duration,
}

/// The CPU time of a signal and a walk of the stack, at most. Between two collections of garbage that
/// have helpers a program runs for longer.
const LONGEST_SAMPLE: Duration = Duration::from_millis(1);

/// Further samples, if one has no function of the program.
const RETRIES: u32 = 3;
const RETRY_AFTER: Duration = Duration::from_millis(2);

impl Subject {
    /// Whether a debugger has paused the thread, and gives it no command now: V8 takes it to run
    /// JavaScript, and it waits for another thread, as the inspector does in the midst of a function.
    pub(crate) fn is_paused(&self) -> bool {
        let Some(probe) = &self.probe else {
            return false;
        };
        let Some(wait) = self.wait() else {
            return false;
        };
        let sample = probe.take(|| self.facts.is_runnable());
        sample.is_some_and(|sample| !sample.is_collecting && sample.is_in_javascript)
            && self.goes_on(&wait)
    }

    /// The thread waits for another one.
    fn wait(&self) -> Option<Wait> {
        let cpu = self.facts.cpu()?;
        let call = self.facts.system_call()?;
        (call.is_futex() && call.goes_on()).then_some(Wait { call, cpu })
    }

    /// Whether the thread has been in this wait all the while, but for the signal of a sample. One that
    /// computes may have waited for the collector of garbage when the wait was seen, and have run
    /// JavaScript when the sample was taken.
    fn goes_on(&self, wait: &Wait) -> bool {
        let Some(call) = self.facts.system_call() else {
            return false;
        };
        let ran = self.facts.cpu().map(|cpu| cpu.saturating_sub(wait.cpu));
        call.is_same_futex(&wait.call) && ran.is_some_and(|ran| ran < LONGEST_SAMPLE)
    }

    /// A sample of the blocked thread, described. Takes a few milliseconds; more on a machine that is
    /// overloaded. It may show as well that the thread [is paused](Self::is_paused).
    ///
    /// One without a function of the program is taken again: V8 collects garbage, or has not reported
    /// the code of the innermost functions yet.
    pub(crate) fn sample(&self) -> Answer {
        let mut answer = self.sample_once();
        for _ in 0..RETRIES {
            if answer.place.is_some() || answer.held || self.probe.is_none() {
                break;
            }
            std::thread::sleep(RETRY_AFTER);
            answer = self.sample_once();
        }
        answer
    }

    fn sample_once(&self) -> Answer {
        let wait = self.wait();
        let call = self.facts.system_call();
        let description = call.as_ref().map(SystemCall::describe);
        let Some(probe) = &self.probe else {
            return Answer::missing("stacks cannot be sampled here").in_call(description);
        };
        if call.as_ref().is_some_and(|call| !call.goes_on()) {
            return Answer::missing("a signal would end the system call").in_call(description);
        }
        let Some(sample) = probe.take(|| self.facts.is_runnable()) else {
            return Answer::missing("the thread does not respond to signals").in_call(description);
        };
        let answer = if sample.is_collecting {
            Answer::missing("V8 collects garbage")
        } else {
            self.described(probe, &sample)
        };
        Answer {
            held: sample.is_in_javascript && wait.is_some_and(|wait| self.goes_on(&wait)),
            ..answer.in_call(description)
        }
    }

    fn described(&self, probe: &Probe, sample: &Sample) -> Answer {
        let mut stack = Vec::new();
        // The outermost function that is neither Node's nor this package's.
        let mut culprit = None;
        let is_certain = probe.name(sample, |Function { name, place }| {
            let name = if name.is_empty() { "(anonymous)" } else { name };
            stack.push(format!("    at {name} ({place})"));
            if !place.starts_with("node:") && !place.starts_with(&self.own) {
                culprit = Some(format!("{name} ({place})"));
            }
        });
        if stack.is_empty() {
            return Answer::missing(if probe.has_names() {
                "the thread runs no JavaScript"
            } else {
                "V8 reports no code"
            });
        }
        if !is_certain {
            return Answer::missing("the code of the functions was moved meanwhile");
        }
        Answer {
            place: culprit,
            stack: Some(stack.join("\n")),
            origin: None,
            reason: None,
            system_call: None,
            is_exact: false,
            held: false,
        }
    }
}
