//! The watchdog: one thread for all watched loops of the process, while there are any.
//!
//! The thread reads the [pulse] of each watched loop every few milliseconds; the core's
//! [`Case`] decides. What follows when a loop is blocked for its threshold:
//!
//! ```text
//!  watchdog thread                  sampler (a worker)               blocked thread
//!  ───────────────                  ──────────────────               ──────────────
//!  asks for the stack        ───▶   pauses it by the inspector  ───▶ paused, if it runs JavaScript
//!  has its answer, or not    ◀───  `watchdogAnswer`; resumes   ───▶ runs on
//!  without one: samples the stack by a signal                  ───▶ interrupted, and runs on
//!  logs, posts the report,
//!  or ends the process
//! ```
//!
//! The sampler's stack has the lines that run. It exists for the main thread, and while that runs
//! JavaScript. A [sample](probe) exists for all threads and also in native functions; it has the lines
//! where the functions begin.
//!
//! The lock of the registry is held neither for a sample, nor for a write, nor for a call into Node.

mod facts;
mod others;
mod pulse;
mod report;
mod sampling;
mod system_call;
mod thread_clock;

#[cfg_attr(
    not(all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    )),
    path = "no_probe.rs"
)]
mod probe;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod registers;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod v8;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ioloop::watchdog::{Case, LONGEST_INTERVAL, Moment, Patience, Pulse, Sampler, Step};
use napi::Status;
use napi::bindgen_prelude::{Either, Env, External, FnArgs, Function};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;

use facts::Facts;
use others::Others;
use probe::{Attached, Probe, Sample};
use pulse::{Counter, Meter};
use report::{Action, Answer, Report};
use sampling::Subject;
use thread_clock::ThreadClock;

/// A watch on one loop: an opaque value of JavaScript, on its thread. Dropping it ends the watch.
pub struct Watched {
    id: u32,
    parts: RefCell<Option<Parts>>,
}

/// What belongs to the thread. Dropped on it.
struct Parts {
    _meter: Meter,
    _attached: Option<Rc<Attached>>,
}

type Ask = ThreadsafeFunction<FnArgs<(u32,)>, (), FnArgs<(u32,)>, Status, false>;

static REGISTRY: Mutex<Registry> = Mutex::new(Registry {
    entries: Vec::new(),
    sampler: None,
    last_id: 0,
    is_running: false,
});
/// The registry has something that the thread has to look at now.
static CHANGED: Condvar = Condvar::new();

struct Registry {
    entries: Vec<Entry>,
    sampler: Option<Arc<Ask>>,
    last_id: u32,
    is_running: bool,
}

/// One watched loop.
struct Entry {
    id: u32,
    counter: Arc<Counter>,
    case: Case<Answer>,
    /// The number of the last question to the sampler.
    question: u32,
    clock: ThreadClock,
    subject: Arc<Subject>,
    others: Others,
    /// Why there is no stack, by the sampler.
    reason: Option<String>,
    action: Arc<Action>,
}

/// What the thread does without the lock.
enum Task {
    /// With the subject of the watchdog's own thread, which alone takes samples.
    Ask(Arc<Ask>, u32, Option<Arc<Subject>>),
    /// For the entry of this number.
    Sample(u32, Arc<Subject>),
    Act(Arc<Action>, Report),
}

/// Watches the loop of this thread from now on, with a threshold in seconds. `action` is `log`,
/// `kill` or `report`; each calls `report(seconds, place, stack, origin, reason, systemCall,
/// isExact)`, on this thread. `isMainThread` means that the sampler can pause this thread. `own` is the folder of this
/// package. A negative errno if the thread of the watchdog cannot start.
///
/// # Errors
///
/// Thrown: the process has no libuv.
#[napi(catch_unwind)]
#[allow(
    clippy::type_complexity,
    reason = "napi-derive makes the typing of the type as it is written"
)]
pub fn watchdog_start(
    env: Env,
    seconds: f64,
    action: String,
    is_main_thread: bool,
    own: String,
    report: Function<
        '_,
        FnArgs<(
            f64,
            Option<String>,
            Option<String>,
            Option<String>,
            Option<String>,
            Option<String>,
            bool,
        )>,
        (),
    >,
) -> napi::Result<Either<External<Watched>, i32>> {
    let action = Action::parse(&action, &report)?;
    let meter = Meter::start(env)?;
    let attached = Attached::here(env);
    let patience = if action.is_urgent() {
        Patience::DuringBlock
    } else {
        Patience::AfterBlock
    };
    let sampler = if is_main_thread {
        Sampler::Ready
    } else {
        Sampler::Absent
    };
    let threshold = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
    let mut registry = lock();
    if registry.is_running {
        CHANGED.notify_one();
    } else {
        // It waits for the lock, and finds the entry. First: what a failure would have to undo takes
        // the lock too.
        let thread = std::thread::Builder::new().name("ioloop-watchdog".into());
        if let Err(error) = thread.spawn(run) {
            return Ok(Either::B(-error.raw_os_error().unwrap_or(libc::EAGAIN)));
        }
        registry.is_running = true;
    }
    registry.last_id += 1;
    let id = registry.last_id;
    registry.entries.push(Entry {
        id,
        counter: Arc::clone(meter.counter()),
        case: Case::new(threshold, sampler, patience),
        question: 0,
        clock: ThreadClock::default(),
        subject: Arc::new(Subject {
            facts: Facts::of_this_thread(),
            probe: attached.as_ref().map(|here| Arc::clone(here.probe())),
            own,
        }),
        others: Others::default(),
        reason: None,
        action: Arc::new(action),
    });
    drop(registry);
    Ok(Either::A(External::new(Watched {
        id,
        parts: RefCell::new(Some(Parts {
            _meter: meter,
            _attached: attached,
        })),
    })))
}

/// Ends the watch. A report that is under way may still come.
#[napi(catch_unwind)]
pub fn watchdog_stop(watched: &External<Watched>) {
    watched.end();
}

/// Makes this thread the sampler until its environment ends: `ask(question)` is called for each
/// stack that is wanted, and `watchdogAnswer` answers.
///
/// # Errors
///
/// Of Node-API, thrown.
#[napi(catch_unwind)]
pub fn watchdog_sample(env: Env, ask: Function<'_, FnArgs<(u32,)>, ()>) -> napi::Result<()> {
    let ask: Ask = ask.build_threadsafe_function().build()?;
    let sampler = Arc::new(ask);
    let hooked = Arc::clone(&sampler);
    env.add_env_cleanup_hook((), move |()| {
        let mut registry = lock();
        let current = registry.sampler.take();
        registry.sampler = current.filter(|current| !Arc::ptr_eq(current, &hooked));
    })?;
    let mut registry = lock();
    // Questions that were asked while it started.
    let waiting = registry
        .entries
        .iter()
        .filter(|entry| entry.case.is_asked());
    let questions: Vec<u32> = waiting.map(|entry| entry.question).collect();
    registry.sampler = Some(Arc::clone(&sampler));
    drop(registry);
    for question in questions {
        Task::Ask(Arc::clone(&sampler), question, None).run();
    }
    Ok(())
}

/// Whether the block of this question goes on. The thread that asks may have paused it.
#[napi(catch_unwind)]
#[must_use]
pub fn watchdog_blocked(question: u32) -> bool {
    let mut registry = lock();
    registry.entry_of(question).is_some_and(Entry::is_blocked)
}

/// Answers a question: the function that blocks and the stack, or the reason why there is none. A
/// thread that a debugger has paused is not blocked: `held` drops the report.
#[napi(catch_unwind)]
pub fn watchdog_answer(
    question: u32,
    place: Option<String>,
    stack: Option<String>,
    origin: Option<String>,
    reason: Option<String>,
    held: bool,
) {
    let mut registry = lock();
    let Some(entry) = registry.entry_of(question) else {
        return;
    };
    if stack.is_none() && !held {
        // A sample may have one.
        entry.reason = reason;
        return;
    }
    entry.case.answer(Answer {
        place,
        stack,
        origin,
        reason,
        system_call: None,
        is_exact: true,
        held,
    });
    CHANGED.notify_one();
}

impl Watched {
    fn end(&self) {
        let mut registry = lock();
        registry.entries.retain(|entry| entry.id != self.id);
        if registry.entries.is_empty() {
            CHANGED.notify_one();
        }
        drop(registry);
        drop(self.parts.take());
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.end();
    }
}

impl Registry {
    fn entry_of(&mut self, question: u32) -> Option<&mut Entry> {
        self.entries
            .iter_mut()
            .find(|entry| entry.question == question && question != 0)
    }

    /// What follows a sample.
    fn sampled(&mut self, id: u32, answer: Answer) -> Option<Task> {
        // The watch may have ended meanwhile.
        let entry = self.entries.iter_mut().find(|entry| entry.id == id)?;
        let report = entry.sampled(answer)?;
        Some(Task::Act(Arc::clone(&entry.action), report))
    }

    /// Looks at all loops. `watchdog` is the calling thread.
    fn look(&mut self, started: Instant, watchdog: Option<libc::pid_t>) -> Vec<Task> {
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
    fn interval(&self) -> Duration {
        let intervals = self
            .entries
            .iter()
            .map(|entry| entry.case.watch().interval());
        intervals.min().unwrap_or(LONGEST_INTERVAL)
    }
}

impl Entry {
    /// A new block: its question has this number.
    fn open(&mut self, question: u32) {
        self.question = question;
        self.reason = None;
    }

    /// Advances the clock of the loop's thread. The other threads are looked at only while the loop
    /// makes no progress, and followed from the first such look on: a collection of garbage waits for
    /// its helpers, runs, and waits again, and of a thread that is looked at anew nothing is known.
    fn advance(&mut self, started: Instant, watchdog: Option<libc::pid_t>, pulse: Pulse) -> Moment {
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
    fn report(&mut self, step: Step<Answer>) -> Option<Report> {
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
    fn sampled(&mut self, answer: Answer) -> Option<Report> {
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

    fn is_blocked(&mut self) -> bool {
        let pulse = self.counter.read();
        pulse.is_some_and(|pulse| self.case.watch().is_at(pulse))
    }
}

impl Task {
    fn run(self) {
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
fn run() {
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

const NATIVE: &str = "JavaScript was not reached";

/// Ignores poisoning: a panic leaves each field whole.
fn lock() -> MutexGuard<'static, Registry> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}
