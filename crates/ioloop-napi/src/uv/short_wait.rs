//! A short wait for another thread, before Node's loop sleeps. To fall asleep and be woken takes
//! both threads longer than most answers; a wait that is too long takes the core from others.
//!
//! It is an idle handle, which is active only between an expectation and the wait for it: libuv calls
//! it before it polls. The other thread's answer is a call of JavaScript; if that expects the next
//! one, the thread waits again. [`Chances`] passes expectations over after waits that were in vain, or
//! slow.
//!
//! Node's loop polls after [`SLICE`] of calls and waits. If it has work already, the wait is left out: the
//! thread looks once.
#![allow(unsafe_code, reason = "callbacks of libuv are C")]

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::time::{Duration, Instant};

use napi::bindgen_prelude::{Env, Function};

use super::chances::Chances;
use super::{Body, Callback, Handle, Kind, Uv, opened};
use crate::errno::Failure;

/// The waits of one loop, or of one caller. Does not keep Node's loop alive.
pub(crate) struct ShortWait {
    handle: Handle<Wait>,
}

/// An answer of another thread.
pub(crate) trait Awaited: 'static {
    /// Waits for `budget` at most. Whether there is an answer; if not, the other thread wakes this one
    /// for the next.
    fn wait(&self, budget: Duration) -> bool;
}

/// The state of the handle.
struct Wait {
    callback: Callback,
    awaited: Box<dyn Awaited>,
    chances: RefCell<Chances>,
    /// The handle is active.
    is_expecting: Cell<bool>,
}

impl Body for Wait {
    const KIND: Kind = Kind::Idle;

    fn on_close(&self) {
        self.callback.release();
    }
}

impl ShortWait {
    /// Calls `found` when there is an answer. The caller keeps that function alive: it may refer to
    /// the owner of the wait.
    pub(crate) fn new(
        env: Env,
        found: &Function<'_, (), ()>,
        awaited: impl Awaited,
    ) -> Result<Self, Failure> {
        let wait = Wait {
            callback: Callback::weak(env, found)?,
            awaited: Box::new(awaited),
            chances: RefCell::new(Chances::new(SLEEP)),
            is_expecting: Cell::new(false),
        };
        let handle = Handle::open_idle(env, wait)?;
        Ok(Self { handle })
    }

    /// An answer is expected soon: waits for it before Node's loop sleeps, if that pays.
    pub(crate) fn expect(&self) {
        let (Some((_, context)), Ok(uv)) = (self.handle.get(), Uv::get()) else {
            return;
        };
        let wait = &context.body;
        if wait.is_expecting.get() || !wait.chances.borrow_mut().is_due() {
            return;
        }
        wait.is_expecting.set(true);
        context.activate(uv, on_idle);
    }
}

/// Called by libuv before it polls, while the handle is active.
extern "C" fn on_idle(handle: *mut c_void) {
    // SAFETY: in a callback of a handle that was opened with a `Wait`.
    let opened = unsafe { opened::<Wait>(handle) };
    let Some((uv, context)) = opened else { return };
    let wait = &context.body;
    let start = Instant::now();
    while context.is_open() && wait.is_expecting.replace(false) {
        context.deactivate(uv);
        let is_busy = context.has_work(uv);
        let budget = if is_busy {
            Duration::ZERO
        } else {
            LONGEST_WAIT
        };
        let begin = Instant::now();
        let is_answered = wait.awaited.wait(budget);
        let end = Instant::now();
        if is_answered || !is_busy {
            let took = is_answered.then(|| end - begin);
            wait.chances.borrow_mut().has_waited(took);
        }
        if !is_answered {
            return;
        }
        wait.callback.call();
        if end - start >= SLICE {
            // If an answer is expected, the handle is active: libuv polls without sleeping.
            return;
        }
    }
}

/// Of a wait, at most. In a virtual machine it takes 35 us to wake a thread on a core that sleeps: if
/// both threads wait for longer than that, both are awake from then on.
const LONGEST_WAIT: Duration = Duration::from_micros(50);
/// About the CPU time of a sleep, and of the wake-up of the other thread.
const SLEEP: Duration = Duration::from_micros(20);
/// Of calls and waits without a poll.
const SLICE: Duration = Duration::from_micros(100);
