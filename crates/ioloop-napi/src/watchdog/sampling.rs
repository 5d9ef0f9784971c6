//! The answer of the watchdog itself, when the sampler has none: a sample of the stack.

use ioloop::watchdog::Function;

use super::facts::{FUTEX, Facts};
use super::report::Answer;
use super::{Probe, Sample};

/// A sample of a blocked thread, described.
///
/// A thread that V8 takes to run JavaScript, and that waits for another thread, was paused by a
/// debugger: the inspector waits for commands in the midst of a function.
pub(super) fn sample(probe: Option<&Probe>, facts: &Facts, own: &str) -> Answer {
    let system_call = facts.system_call();
    let Some(probe) = probe else {
        return Answer::missing("stacks cannot be sampled here").in_call(system_call);
    };
    let Some(sample) = probe.take() else {
        return Answer::missing("the thread does not respond to signals").in_call(system_call);
    };
    let is_held = sample.is_in_javascript && system_call.as_deref() == Some(FUTEX);
    let answer = if sample.is_collecting {
        Answer::missing("V8 collects garbage")
    } else {
        described(probe, &sample, own)
    };
    Answer {
        held: is_held,
        ..answer.in_call(system_call)
    }
}

fn described(probe: &Probe, sample: &Sample, own: &str) -> Answer {
    let mut stack = Vec::new();
    // The outermost function that is neither Node's nor this package's.
    let mut culprit = None;
    let is_certain = probe.name(sample, |Function { name, place }| {
        let name = if name.is_empty() { "(anonymous)" } else { name };
        stack.push(format!("    at {name} ({place})"));
        if !place.starts_with("node:") && !place.starts_with(own) {
            culprit = Some(format!("{name} ({place})"));
        }
    });
    if stack.is_empty() {
        return Answer::missing("the thread runs no JavaScript");
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
