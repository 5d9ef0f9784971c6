//! What a report says, and where it goes.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use napi::Status;
use napi::bindgen_prelude::{FnArgs, Function};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use rustix::process::{Signal, getpid, kill_process};

/// The seconds, the function that blocks, the stack, where the function was handed to the loop, the
/// reason why there is no stack, the system call, and whether the lines are those that run.
pub(crate) type Arguments = FnArgs<(
    f64,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    bool,
)>;
type Post = ThreadsafeFunction<Arguments, (), Arguments, Status, false, true>;

/// What follows a block. In each case the report is posted to the thread of the loop.
pub(crate) struct Action {
    kind: Kind,
    post: Post,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Writes the report to the standard error.
    Log,
    /// Writes it, and ends the process by SIGALRM.
    Kill,
    /// Nothing else.
    Report,
}

/// What the sampler has found.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) place: Option<String>,
    pub(crate) stack: Option<String>,
    /// Where the function was handed to the loop, if that is known.
    pub(crate) origin: Option<String>,
    pub(crate) reason: Option<String>,
    /// The system call that the thread was in.
    pub(crate) system_call: Option<String>,
    /// The lines of the stack are those that run, and not where the functions begin.
    pub(crate) is_exact: bool,
    /// A debugger has paused the thread.
    pub(crate) held: bool,
}

/// One report, or the supplement of one that was made without a stack.
pub(crate) struct Report {
    quiet: Duration,
    answer: Answer,
    is_supplement: bool,
}

impl Action {
    /// The action of a name of JavaScript's.
    pub(crate) fn parse(name: &str, report: &Function<'_, Arguments, ()>) -> napi::Result<Self> {
        let kind = match name {
            "log" => Kind::Log,
            "kill" => Kind::Kill,
            "report" => Kind::Report,
            _ => {
                let message = format!("no action is called {name:?}");
                return Err(napi::Error::from_reason(message));
            }
        };
        let post = report.build_threadsafe_function().weak::<true>().build()?;
        Ok(Self { kind, post })
    }

    /// The report has to come during the block.
    pub(crate) fn is_urgent(&self) -> bool {
        self.kind != Kind::Report
    }

    /// Blocks while the standard error takes nothing.
    pub(crate) fn run(&self, report: Report) {
        if self.kind != Kind::Report {
            report.write();
        }
        if report.is_supplement {
            return;
        }
        if self.kind == Kind::Kill {
            // A signal to the own process does not fail.
            let _sent = kill_process(getpid(), Signal::ALARM);
        }
        let Report { quiet, answer, .. } = report;
        let arguments = (
            quiet.as_secs_f64(),
            answer.place,
            answer.stack,
            answer.origin,
            answer.reason,
            answer.system_call,
            answer.is_exact,
        );
        // It fails only while the environment ends.
        let mode = ThreadsafeFunctionCallMode::NonBlocking;
        self.post.call(arguments.into(), mode);
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
        (!answer.held).then_some(Self {
            quiet,
            answer,
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
        let answer = &self.answer;
        if let Some(place) = &answer.place {
            let _infallible = write!(text, " in {place}");
        }
        if let Some(call) = &answer.system_call {
            let _infallible = write!(text, ", in the system call {call}");
        }
        if let Some(origin) = &answer.origin {
            let _infallible = write!(text, "; {origin}");
        }
        match (&answer.stack, &answer.reason) {
            (Some(stack), _) if answer.is_exact => {
                let _infallible = write!(text, "\n{stack}");
            }
            (Some(stack), _) => {
                let _infallible = write!(text, "; functions by their first line\n{stack}");
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
            origin: None,
            reason: Some(reason.into()),
            system_call: None,
            is_exact: false,
            held: false,
        }
    }

    /// A debugger has paused the thread.
    pub(crate) fn held() -> Self {
        Self {
            held: true,
            ..Self::missing("a debugger has paused the thread")
        }
    }

    /// The same, of a thread in this system call.
    pub(crate) fn in_call(self, system_call: Option<String>) -> Self {
        Self {
            system_call,
            ..self
        }
    }
}
