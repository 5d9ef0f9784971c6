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

mod entry;
mod facts;
mod others;
mod pulse;
mod registry;
mod report;
mod sampling;
mod system_call;
mod task;
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
use std::sync::Arc;
use std::time::Duration;

use ioloop::watchdog::{Case, Patience, Sampler};
use napi::Status;
use napi::bindgen_prelude::{Either, Env, External, FnArgs, Function};
use napi::threadsafe_function::ThreadsafeFunction;
use napi_derive::napi;

use entry::Entry;
use facts::Facts;
use others::Others;
use probe::{Attached, Probe, Sample};
use pulse::Meter;
use registry::{CHANGED, lock};
use report::{Action, Answer};
use sampling::Subject;
use task::Task;
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
        if let Err(error) = thread.spawn(task::run) {
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
