//! libuv, as the host has it, and handles on Node's loop.
//!
//! | File | |
//! | --- | --- |
//! | `handle.rs` | a handle with its state: opened, replaced, closed once |
//! | `callback.rs` | a function of JavaScript, called from a callback of libuv |
//! | `waker.rs` | a `uv_async_t`: any thread wakes the JavaScript thread |
//! | `idle.rs` | a `uv_idle_t`: is called before each poll |
//! | `short_wait.rs` | with an idle handle: a short wait for another thread, before Node's loop sleeps |
//! | `busy_poll.rs` | with an idle handle: Node's loop polls for events before it sleeps |
//! | `chances.rs` | whether to wait pays, for both |
//!
//! The functions are looked up at first use, and a handle is a block of the size that
//! `uv_handle_size` returns: no libuv headers, no layout. All runs on the JavaScript thread, but
//! [`waker::Target::wake`].
#![allow(unsafe_code, reason = "libuv and its callbacks are C")]

pub(crate) mod busy_poll;
mod callback;
mod chances;
mod handle;
mod idle;
pub(crate) mod short_wait;
pub(crate) mod waker;

use std::alloc::Layout;
use std::ffi::{c_int, c_void};

pub(crate) use callback::Callback;
use handle::Context;
pub(crate) use handle::{Body, Handle, opened};

use crate::symbols::symbols;

symbols! {
    /// The functions of libuv in use, with the signatures of `uv.h` of libuv 1.x.
    pub(crate) struct Uv {
        pub(crate) poll_init: unsafe extern "C" fn(*mut c_void, *mut c_void, c_int) -> c_int = "uv_poll_init",
        pub(crate) poll_start: unsafe extern "C" fn(*mut c_void, c_int, PollCallback) -> c_int = "uv_poll_start",
        pub(crate) poll_stop: unsafe extern "C" fn(*mut c_void) -> c_int = "uv_poll_stop",
        async_init: unsafe extern "C" fn(*mut c_void, *mut c_void, HandleCallback) -> c_int = "uv_async_init",
        /// Thread-safe.
        async_send: unsafe extern "C" fn(*mut c_void) -> c_int = "uv_async_send",
        idle_init: unsafe extern "C" fn(*mut c_void, *mut c_void) -> c_int = "uv_idle_init",
        idle_start: unsafe extern "C" fn(*mut c_void, HandleCallback) -> c_int = "uv_idle_start",
        idle_stop: unsafe extern "C" fn(*mut c_void) -> c_int = "uv_idle_stop",
        pub(crate) prepare_init: unsafe extern "C" fn(*mut c_void, *mut c_void) -> c_int = "uv_prepare_init",
        pub(crate) prepare_start: unsafe extern "C" fn(*mut c_void, HandleCallback) -> c_int = "uv_prepare_start",
        pub(crate) loop_configure: unsafe extern "C" fn(*mut c_void, c_int, ...) -> c_int = "uv_loop_configure",
        /// Thread-safe.
        pub(crate) metrics_idle_time: unsafe extern "C" fn(*mut c_void) -> u64 = "uv_metrics_idle_time",
        backend_timeout: unsafe extern "C" fn(*const c_void) -> c_int = "uv_backend_timeout",
        unref: unsafe extern "C" fn(*mut c_void) = "uv_unref",
        close: unsafe extern "C" fn(*mut c_void, HandleCallback) = "uv_close",
        handle_size: unsafe extern "C" fn(c_int) -> usize = "uv_handle_size",
        handle_get_data: unsafe extern "C" fn(*const c_void) -> *mut c_void = "uv_handle_get_data",
        handle_set_data: unsafe extern "C" fn(*mut c_void, *mut c_void) = "uv_handle_set_data",
    }
}

/// The types of handles in use, by their numbers in `uv_handle_type`.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Async = 1,
    Idle = 6,
    Poll = 8,
    Prepare = 9,
}

type PollCallback = extern "C" fn(*mut c_void, c_int, c_int);
type HandleCallback = extern "C" fn(*mut c_void);

/// The functions of libuv.
///
/// # Errors
///
/// The process has no libuv.
pub(crate) fn libuv() -> napi::Result<&'static Uv> {
    Uv::get().map_err(|missing| napi::Error::from_reason(format!("libuv is not here: {missing}")))
}

impl Uv {
    fn layout(&self, kind: Kind) -> napi::Result<Layout> {
        // SAFETY: a pure function of a handle type.
        let size = unsafe { (self.handle_size)(kind as c_int) };
        Layout::from_size_align(size, ALIGNMENT)
            .map_err(|error| napi::Error::from_reason(format!("uv_handle_size: {error}")))
    }
}

/// As of malloc: enough for any member of a handle.
const ALIGNMENT: usize = 16;
