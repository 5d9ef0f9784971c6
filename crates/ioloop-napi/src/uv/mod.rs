//! libuv, as the host has it, and handles on Node's loop.
//!
//! | File | |
//! | --- | --- |
//! | `handle.rs` | a handle with its function of JavaScript: opened, replaced, closed once |
//! | `callback.rs` | that function, called from a callback of libuv |
//! | `waker.rs` | a `uv_async_t`: any thread wakes the JavaScript thread |
//! | `short_wait.rs` | a `uv_idle_t`: a short wait for another thread, before Node's loop sleeps |
//!
//! The functions are looked up at first use, and a handle is a block of the size that
//! `uv_handle_size` returns: no libuv headers, no layout. All runs on the JavaScript thread, but
//! [`waker::Target::wake`].
#![allow(unsafe_code, reason = "libuv and its callbacks are C")]

mod callback;
mod handle;
pub(crate) mod short_wait;
pub(crate) mod waker;

use std::alloc::Layout;
use std::ffi::{c_int, c_void};
use std::sync::OnceLock;

use libloading::os::unix::Library;

pub(crate) use callback::Callback;
pub(crate) use handle::{Body, Handle, opened};

/// The functions of libuv in use, with the signatures of `uv.h` of libuv 1.x.
pub(crate) struct Uv {
    pub(crate) poll_init: unsafe extern "C" fn(*mut c_void, *mut c_void, c_int) -> c_int,
    pub(crate) poll_start: unsafe extern "C" fn(*mut c_void, c_int, PollCallback) -> c_int,
    pub(crate) poll_stop: unsafe extern "C" fn(*mut c_void) -> c_int,
    async_init: unsafe extern "C" fn(*mut c_void, *mut c_void, HandleCallback) -> c_int,
    async_send: unsafe extern "C" fn(*mut c_void) -> c_int,
    idle_init: unsafe extern "C" fn(*mut c_void, *mut c_void) -> c_int,
    idle_start: unsafe extern "C" fn(*mut c_void, HandleCallback) -> c_int,
    idle_stop: unsafe extern "C" fn(*mut c_void) -> c_int,
    backend_timeout: unsafe extern "C" fn(*const c_void) -> c_int,
    unref: unsafe extern "C" fn(*mut c_void),
    close: unsafe extern "C" fn(*mut c_void, HandleCallback),
    handle_size: unsafe extern "C" fn(c_int) -> usize,
    handle_get_data: unsafe extern "C" fn(*const c_void) -> *mut c_void,
    handle_set_data: unsafe extern "C" fn(*mut c_void, *mut c_void),
}

/// The types of handles in use, by their numbers in `uv_handle_type`.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Async = 1,
    Idle = 6,
    Poll = 8,
}

type PollCallback = extern "C" fn(*mut c_void, c_int, c_int);
type HandleCallback = extern "C" fn(*mut c_void);

impl Uv {
    /// The functions of this process.
    ///
    /// # Errors
    ///
    /// It has no libuv.
    pub(crate) fn get() -> napi::Result<&'static Self> {
        static UV: OnceLock<Result<Uv, String>> = OnceLock::new();
        UV.get_or_init(|| Self::load().map_err(|error| error.to_string()))
            .as_ref()
            .map_err(|missing| napi::Error::from_reason(format!("libuv is not here: {missing}")))
    }

    #[expect(
        clippy::multiple_unsafe_ops_per_block,
        reason = "one invariant holds for all"
    )]
    fn load() -> Result<Self, libloading::Error> {
        let process = Library::this();
        // SAFETY: each name has the signature that libuv 1.x declares for it, and the process
        // that provides them outlives us.
        unsafe {
            Ok(Self {
                poll_init: *process.get(b"uv_poll_init\0")?,
                poll_start: *process.get(b"uv_poll_start\0")?,
                poll_stop: *process.get(b"uv_poll_stop\0")?,
                async_init: *process.get(b"uv_async_init\0")?,
                async_send: *process.get(b"uv_async_send\0")?,
                idle_init: *process.get(b"uv_idle_init\0")?,
                idle_start: *process.get(b"uv_idle_start\0")?,
                idle_stop: *process.get(b"uv_idle_stop\0")?,
                backend_timeout: *process.get(b"uv_backend_timeout\0")?,
                unref: *process.get(b"uv_unref\0")?,
                close: *process.get(b"uv_close\0")?,
                handle_size: *process.get(b"uv_handle_size\0")?,
                handle_get_data: *process.get(b"uv_handle_get_data\0")?,
                handle_set_data: *process.get(b"uv_handle_set_data\0")?,
            })
        }
    }

    fn layout(&self, kind: Kind) -> napi::Result<Layout> {
        // SAFETY: a pure function of a handle type.
        let size = unsafe { (self.handle_size)(kind as c_int) };
        Layout::from_size_align(size, ALIGNMENT)
            .map_err(|error| napi::Error::from_reason(format!("uv_handle_size: {error}")))
    }
}

/// As of malloc: enough for any member of a handle.
const ALIGNMENT: usize = 16;
