//! The pulse of a JavaScript thread, which any thread may read.
//!
//! Two counters of libuv say that a thread makes progress: the iterations of its loop, counted by a
//! `uv_prepare_t`, and the time that it has spent in the wait for events, by
//! `uv_metrics_idle_time(3)`, which is thread-safe. Neither costs JavaScript anything, and both
//! cover all that the thread runs: turns, microtasks, and Node's own callbacks.
//!
//! [`Counter::read`] may be called on any thread, all else on the JavaScript thread.
#![allow(unsafe_code, reason = "libuv is C")]

use std::ffi::{c_int, c_void};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ioloop::watchdog::Pulse;
use napi::bindgen_prelude::Env;

use crate::errno::Failure;
use crate::uv::{Body, Handle, Kind, Uv, libuv, opened};

/// Counts for one environment, until it is dropped or the environment ends.
pub(crate) struct Meter {
    counter: Arc<Counter>,
    _handle: Handle<Arc<Counter>>,
}

/// The counters of a [`Meter`].
pub(crate) struct Counter {
    iterations: AtomicU32,
    /// `None` once the meter is closed. Held for the time of a read, so that the loop is not freed
    /// meanwhile.
    uv_loop: Mutex<Option<UvLoop>>,
}

/// A `uv_loop_t`, for its thread-safe functions.
#[derive(Clone, Copy)]
struct UvLoop(NonNull<c_void>);

// SAFETY: it is passed to `uv_metrics_idle_time` only, which may be called on any thread.
unsafe impl Send for UvLoop {}

impl Body for Arc<Counter> {
    const KIND: Kind = Kind::Prepare;

    fn on_close(&self) {
        *self.lock() = None;
    }
}

impl Meter {
    /// Counts from now on. The handle does not keep Node's loop alive.
    ///
    /// # Errors
    ///
    /// The process has no libuv; errors of Node-API.
    pub(crate) fn start(env: Env) -> Result<Self, Failure> {
        let uv = libuv()?;
        let uv_loop = env.get_uv_event_loop()?.cast::<c_void>();
        // SAFETY: the loop of this thread; Node sets the same option.
        let _status = unsafe { (uv.loop_configure)(uv_loop, UV_METRICS_IDLE_TIME) };
        let counter = Arc::new(Counter {
            iterations: AtomicU32::new(0),
            uv_loop: Mutex::new(NonNull::new(uv_loop).map(UvLoop)),
        });
        let handle = Handle::open(env, Arc::clone(&counter), |uv, uv_loop, handle| {
            // SAFETY: the loop is this environment's, the block has the size and alignment of a
            // uv_prepare_t.
            unsafe { (uv.prepare_init)(uv_loop, handle) }
        })?;
        handle.unref();
        if let Some((raw, _)) = handle.get() {
            // SAFETY: initialised, and not closing. It fails only without a callback.
            unsafe { (uv.prepare_start)(raw.as_ptr(), on_prepare) };
        }
        Ok(Self {
            counter,
            _handle: handle,
        })
    }

    pub(crate) fn counter(&self) -> &Arc<Counter> {
        &self.counter
    }
}

impl Counter {
    /// The pulse; `None` once the meter is closed. On any thread.
    pub(crate) fn read(&self) -> Option<Pulse> {
        let uv = Uv::get().ok()?;
        let uv_loop = self.lock();
        let UvLoop(found) = (*uv_loop)?;
        Some(Pulse {
            iterations: self.iterations.load(Ordering::Relaxed),
            // SAFETY: thread-safe by its documentation; the loop is alive while the lock is held.
            idle: unsafe { (uv.metrics_idle_time)(found.as_ptr()) },
        })
    }

    /// Ignores poisoning: the field is one word.
    fn lock(&self) -> MutexGuard<'_, Option<UvLoop>> {
        self.uv_loop.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Called by libuv, before the wait of each iteration.
extern "C" fn on_prepare(handle: *mut c_void) {
    // SAFETY: in a callback of a handle that was opened with a `Counter`.
    let opened = unsafe { opened::<Arc<Counter>>(handle) };
    let Some((_, context)) = opened else { return };
    context.body.iterations.fetch_add(1, Ordering::Relaxed);
}

/// `UV_METRICS_IDLE_TIME` of `uv_loop_option`.
const UV_METRICS_IDLE_TIME: c_int = 1;
