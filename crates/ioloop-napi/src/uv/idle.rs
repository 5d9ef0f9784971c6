//! Idle handles: while one is active, libuv calls it before each poll, and polls without sleeping.
#![allow(unsafe_code, reason = "libuv and its callbacks are C")]

use napi::bindgen_prelude::Env;

use super::handle::{Body, Context, Handle};
use super::{HandleCallback, Kind, Uv};
use crate::errno::Failure;

impl<T: Body> Handle<T> {
    /// An idle handle of `env`'s loop, which is not active and does not keep the loop alive.
    ///
    /// # Errors
    ///
    /// Of libuv and of Node-API.
    pub(crate) fn open_idle(env: Env, body: T) -> Result<Self, Failure> {
        const { assert!(matches!(T::KIND, Kind::Idle)) };
        let handle = Self::open(env, body, |uv, uv_loop, handle| {
            // SAFETY: the loop is this environment's, the block has the size and alignment of a
            // uv_idle_t.
            unsafe { (uv.idle_init)(uv_loop, handle) }
        })?;
        handle.unref();
        Ok(handle)
    }
}

impl<T: Body> Context<T> {
    /// Makes an idle handle active. It may be so already.
    pub(crate) fn activate(&self, uv: &Uv, before_poll: HandleCallback) {
        const { assert!(matches!(T::KIND, Kind::Idle)) };
        if let Some(handle) = self.handle() {
            // SAFETY: an idle handle, initialised and not closing.
            unsafe { (uv.idle_start)(handle.as_ptr(), before_poll) };
        }
    }

    /// Ends that. It may be over already.
    pub(crate) fn deactivate(&self, uv: &Uv) {
        const { assert!(matches!(T::KIND, Kind::Idle)) };
        if let Some(handle) = self.handle() {
            // SAFETY: as in `activate`.
            unsafe { (uv.idle_stop)(handle.as_ptr()) };
        }
    }

    /// Whether Node's loop has other work, so that libuv is not about to sleep. Asked while this handle
    /// is not active.
    pub(super) fn has_work(&self, uv: &Uv) -> bool {
        // SAFETY: the loop is that of the handle.
        unsafe { (uv.backend_timeout)(self.uv_loop) == 0 }
    }
}
