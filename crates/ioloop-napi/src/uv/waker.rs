//! A `uv_async_t`: any thread wakes the JavaScript thread. Wake-ups before the call are one.
//!
//! A threadsafe function of Node-API does the same with a queue, a mutex and more of Node's code
//! around each call.
#![allow(unsafe_code, reason = "libuv and its callbacks are C")]

use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::{Arc, PoisonError, RwLock};

use napi::bindgen_prelude::{Env, Function};

use super::{Body, Callback, Handle, Kind, Uv, opened};
use crate::errno::Failure;

/// The side of the JavaScript thread. Does not keep Node's loop alive; dropping it ends the calls.
pub(crate) struct Waker {
    handle: Handle<Async>,
}

struct Async {
    callback: Callback,
    target: Arc<Target>,
}

/// The side of other threads.
pub(crate) struct Target {
    /// `None` before the handle is open, and once it is closed. A wake-up holds the lock as a reader,
    /// so that the handle is open for as long.
    handle: RwLock<Option<Sendable>>,
}

/// A handle, of which other threads only use `uv_async_send`.
struct Sendable(NonNull<c_void>);

// SAFETY: libuv allows `uv_async_send` on any thread while the handle is open, and nothing else is
// done with the pointer.
unsafe impl Send for Sendable {}
// SAFETY: as above.
unsafe impl Sync for Sendable {}

impl Body for Async {
    const KIND: Kind = Kind::Async;

    fn on_close(&self) {
        self.target.set(None);
        self.callback.release();
    }
}

impl Waker {
    /// Calls `wake` after a [`Target::wake`].
    pub(crate) fn new(env: Env, wake: &Function<'_, (), ()>) -> Result<Self, Failure> {
        let body = Async {
            callback: Callback::new(env, wake)?,
            target: Arc::new(Target {
                handle: RwLock::new(None),
            }),
        };
        let handle = Handle::open(env, body, |uv, uv_loop, handle| {
            // SAFETY: the loop is this environment's, the block has the size and alignment of a
            // uv_async_t.
            unsafe { (uv.async_init)(uv_loop, handle, on_async) }
        })?;
        handle.unref();
        if let Some((raw, context)) = handle.get() {
            context.body.target.set(Some(Sendable(raw)));
        }
        Ok(Self { handle })
    }

    /// For other threads; `None` once the environment has ended.
    pub(crate) fn target(&self) -> Option<Arc<Target>> {
        let (_, context) = self.handle.get()?;
        Some(Arc::clone(&context.body.target))
    }
}

impl Target {
    /// Wakes the JavaScript thread, unless its environment ends.
    pub(crate) fn wake(&self) {
        let handle = self.handle.read().unwrap_or_else(PoisonError::into_inner);
        if let (Some(Sendable(handle)), Ok(uv)) = (&*handle, Uv::get()) {
            // SAFETY: open while the lock is held. It fails only without a handle.
            unsafe { (uv.async_send)(handle.as_ptr()) };
        }
    }

    fn set(&self, handle: Option<Sendable>) {
        *self.handle.write().unwrap_or_else(PoisonError::into_inner) = handle;
    }
}

/// Called by libuv, on the JavaScript thread.
extern "C" fn on_async(handle: *mut c_void) {
    // SAFETY: in a callback of a handle that was opened with an `Async`.
    let opened = unsafe { opened::<Async>(handle) };
    let Some((_, context)) = opened else { return };
    context.body.callback.call();
}
