//! What a report says, and where it goes.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use napi::Status;
use napi::bindgen_prelude::{FnArgs, Function};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use rustix::process::{Signal, getpid, kill_process};

/// The seconds, the function that blocks, the stack, and the reason why there is no stack.
pub(crate) type Arguments = FnArgs<(f64, Option<String>, Option<String>, Option<String>)>;
type Post = ThreadsafeFunction<Arguments, (), Arguments, Status, false, true>;

/// What follows a block.
pub(crate) enum Action {
    /// Writes the report to the standard error.
    Log,
    /// Writes it, and ends the process by SIGALRM.
    Kill,
    /// Posts it to the thread of the loop.
    Post(Post),
}

/// What the sampler has found.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) place: Option<String>,
    pub(crate) stack: Option<String>,
    pub(crate) reason: Option<String>,
    /// A debugger has paused the thread.
    pub(crate) held: bool,
}

/// One report, or the supplement of one that was made without a stack.
pub(crate) struct Report {
    quiet: Duration,
    place: Option<String>,
    stack: Option<String>,
    reason: Option<String>,
    is_supplement: bool,
}

impl Action {
    /// The action of a name of JavaScript's.
    pub(crate) fn parse(name: &str, report: &Function<'_, Arguments, ()>) -> napi::Result<Self> {
        Ok(match name {
            "log" => Self::Log,
            "kill" => Self::Kill,
            "report" => Self::Post(report.build_threadsafe_function().weak::<true>().build()?),
            _ => {
                let message = format!("no action is called {name:?}");
                return Err(napi::Error::from_reason(message));
            }
        })
    }

    /// Blocks while the standard error takes nothing.
    pub(crate) fn run(&self, report: Report) {
        match self {
            Self::Log => report.write(),
            Self::Kill => {
                report.write();
                if !report.is_supplement {
                    // A signal to the own process does not fail.
                    let _sent = kill_process(getpid(), Signal::ALARM);
                }
            }
            Self::Post(post) if !report.is_supplement => {
                let Report {
                    quiet,
                    place,
                    stack,
                    reason,
                    ..
                } = report;
                let arguments = (quiet.as_secs_f64(), place, stack, reason);
                // It fails only while the environment ends.
                post.call(arguments.into(), ThreadsafeFunctionCallMode::NonBlocking);
            }
            Self::Post(_) => {}
        }
    }
}

impl Report {
    /// `None` if a debugger has paused the thread.
    pub(crate) fn first(quiet: Duration, answer: Answer) -> Option<Self> {
        Self::of(quiet, answer, false)
    }

    /// `None` if the answer has no stack, which the first report has said.
    pub(crate) fn late(quiet: Duration, answer: Answer) -> Option<Self> {
        answer.stack.is_some().then_some(())?;
        Self::of(quiet, answer, true)
    }

    fn of(quiet: Duration, answer: Answer, is_supplement: bool) -> Option<Self> {
        let Answer {
            place,
            stack,
            reason,
            held,
        } = answer;
        (!held).then_some(Self {
            quiet,
            place,
            stack,
            reason,
            is_supplement,
        })
    }

    /// Writes the report to the standard error in one piece.
    fn write(&self) {
        // There is nowhere to report a failure to.
        let _written = std::io::stderr().write_all(self.text().as_bytes());
    }

    fn text(&self) -> String {
        let seconds = self.quiet.as_secs_f64();
        let mut text = if self.is_supplement {
            format!("The stack of the blocked IOLoop, reached after {seconds:.3} seconds,")
        } else {
            format!("IOLoop blocked for {seconds:.3} seconds")
        };
        if let Some(place) = &self.place {
            let _infallible = write!(text, " in {place}");
        }
        match (&self.stack, &self.reason) {
            (Some(stack), _) => {
                let _infallible = write!(text, "\n{stack}");
            }
            (None, Some(reason)) => {
                let _infallible = write!(text, "; no stack: {reason}");
            }
            (None, None) => {}
        }
        text.push('\n');
        text
    }
}

impl Answer {
    /// An answer without a stack.
    pub(crate) fn missing(reason: &str) -> Self {
        Self {
            place: None,
            stack: None,
            reason: Some(reason.into()),
            held: false,
        }
    }
}
