//! The pulse of a JavaScript thread, which any thread may read.
//!
//! Two counters of libuv say that a thread makes progress: the iterations of its loop, counted by a
//! `uv_prepare_t`, and the time that it has spent in the wait for events, by
//! `uv_metrics_idle_time(3)`, which is thread-safe. Neither costs JavaScript anything, and both
//! cover all that the thread runs: turns, microtasks, and Node's own callbacks.
//!
//! [`Counter::read`] may be called on any thread, all else on the JavaScript thread.
#![allow(unsafe_code, reason = "libuv and the hooks of Node-API are C")]

use std::alloc::{Layout, handle_alloc_error};
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use ioloop::watchdog::Pulse;
use libloading::os::unix::Library;
use napi::bindgen_prelude::Env;
use napi::sys;

/// Counts for one environment. Dropping it closes the handle of libuv; so does the end of the
/// environment, whichever is first.
pub(crate) struct Meter {
    counter: Arc<Counter>,
    handle: SharedHandle,
}

/// The handle while it is open, as in `driver/libuv.rs`.
type SharedHandle = Rc<Cell<Option<NonNull<c_void>>>>;

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

/// The target of the handle's data pointer; freed in [`on_close`].
struct Context {
    counter: Arc<Counter>,
    handle: SharedHandle,
    layout: Layout,
    /// An environment that ends waits until this hook is removed.
    hook: sys::napi_async_cleanup_hook_handle,
}

impl Meter {
    /// Counts from now on. The handle does not keep Node's loop alive.
    ///
    /// # Errors
    ///
    /// The process has no libuv; errors of Node-API.
    pub(crate) fn start(env: Env) -> napi::Result<Self> {
        let uv = Uv::get()?;
        let uv_loop = env.get_uv_event_loop()?.cast::<c_void>();
        let found =
            NonNull::new(uv_loop).ok_or_else(|| napi::Error::from_reason("no uv_loop_t"))?;
        // SAFETY: the loop of this thread; Node sets the same option.
        let _status = unsafe { (uv.loop_configure)(uv_loop, UV_METRICS_IDLE_TIME) };
        let counter = Arc::new(Counter {
            iterations: AtomicU32::new(0),
            uv_loop: Mutex::new(Some(UvLoop(found))),
        });
        let layout = uv.prepare_layout()?;
        let handle = allocate(layout);
        // SAFETY: the loop is this environment's, the block has the size and alignment of a
        // uv_prepare_t. It cannot fail.
        unsafe { (uv.prepare_init)(uv_loop, handle.as_ptr()) };
        let shared = SharedHandle::new(Cell::new(Some(handle)));
        let context = Box::into_raw(Box::new(Context {
            counter: Arc::clone(&counter),
            handle: Rc::clone(&shared),
            layout,
            hook: ptr::null_mut(),
        }));
        // From here on a failure closes the handle.
        let meter = Self {
            counter,
            handle: shared,
        };
        // SAFETY: the handle is initialised; the context lives until on_close.
        unsafe { (uv.handle_set_data)(handle.as_ptr(), context.cast()) };
        // SAFETY: as above. It fails only without a callback.
        unsafe { (uv.prepare_start)(handle.as_ptr(), on_prepare) };
        // SAFETY: as above.
        unsafe { (uv.unref)(handle.as_ptr()) };
        // SAFETY: the context was made above; nothing refers to it before the loop runs again.
        let hook = unsafe { &raw mut (*context).hook };
        // SAFETY: the hook is removed before the context is freed; the out pointer is valid.
        let status = unsafe {
            sys::napi_add_async_cleanup_hook(env.raw(), Some(on_cleanup), context.cast(), hook)
        };
        napi::check_status!(status)?;
        Ok(meter)
    }

    pub(crate) fn counter(&self) -> &Arc<Counter> {
        &self.counter
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            close(handle);
        }
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

/// Closes a handle that was taken out of its [`SharedHandle`].
fn close(handle: NonNull<c_void>) {
    let Ok(uv) = Uv::get() else { return };
    // SAFETY: the context lives until on_close, which comes after the close below.
    let context = unsafe { &*context_of(uv, handle) };
    *context.counter.lock() = None;
    // SAFETY: the handle is initialised, and being taken out once it is closed once.
    unsafe { (uv.close)(handle.as_ptr(), on_close) };
}

fn context_of(uv: &Uv, handle: NonNull<c_void>) -> *mut Context {
    // SAFETY: the handle is initialised; its data was set in `start`.
    unsafe { (uv.handle_get_data)(handle.as_ptr()) }.cast()
}

fn allocate(layout: Layout) -> NonNull<c_void> {
    // SAFETY: the layout of a handle is never of size zero.
    let block = unsafe { std::alloc::alloc_zeroed(layout) };
    NonNull::new(block.cast()).unwrap_or_else(|| handle_alloc_error(layout))
}

/// Called by libuv, before the wait of each iteration.
extern "C" fn on_prepare(handle: *mut c_void) {
    let (Ok(uv), Some(handle)) = (Uv::get(), NonNull::new(handle)) else {
        return;
    };
    // SAFETY: libuv calls back only between start and close, when the context is alive.
    let context = unsafe { &*context_of(uv, handle) };
    context.counter.iterations.fetch_add(1, Ordering::Relaxed);
}

/// Called by Node: the environment ends.
unsafe extern "C" fn on_cleanup(_hook: sys::napi_async_cleanup_hook_handle, data: *mut c_void) {
    // SAFETY: the hook is removed when the context is freed, so it is alive.
    let context = unsafe { &*data.cast::<Context>() };
    if let Some(handle) = context.handle.take() {
        close(handle);
    }
}

/// Called by libuv: the handle is closed.
extern "C" fn on_close(handle: *mut c_void) {
    let (Ok(uv), Some(handle)) = (Uv::get(), NonNull::new(handle)) else {
        return;
    };
    // SAFETY: the context came out of Box::into_raw, and this is the one place that takes it back.
    let context = unsafe { Box::from_raw(context_of(uv, handle)) };
    // SAFETY: allocated with this layout; libuv does not touch it any more.
    unsafe { std::alloc::dealloc(handle.as_ptr().cast(), context.layout) };
    if !context.hook.is_null() {
        // SAFETY: added in `start` and removed once. If the environment is ending, Node waits for
        // this.
        unsafe { sys::napi_remove_async_cleanup_hook(context.hook) };
    }
}

/// The functions of libuv in use, with the signatures of `uv.h` of libuv 1.x.
struct Uv {
    prepare_init: unsafe extern "C" fn(*mut c_void, *mut c_void) -> c_int,
    prepare_start: unsafe extern "C" fn(*mut c_void, Callback) -> c_int,
    unref: unsafe extern "C" fn(*mut c_void),
    close: unsafe extern "C" fn(*mut c_void, Callback),
    handle_size: unsafe extern "C" fn(c_int) -> usize,
    handle_get_data: unsafe extern "C" fn(*mut c_void) -> *mut c_void,
    handle_set_data: unsafe extern "C" fn(*mut c_void, *mut c_void),
    loop_configure: unsafe extern "C" fn(*mut c_void, c_int, ...) -> c_int,
    metrics_idle_time: unsafe extern "C" fn(*mut c_void) -> u64,
}

type Callback = extern "C" fn(*mut c_void);

impl Uv {
    /// The functions of this process.
    ///
    /// # Errors
    ///
    /// It has no libuv.
    fn get() -> napi::Result<&'static Self> {
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
                prepare_init: *process.get(b"uv_prepare_init\0")?,
                prepare_start: *process.get(b"uv_prepare_start\0")?,
                unref: *process.get(b"uv_unref\0")?,
                close: *process.get(b"uv_close\0")?,
                handle_size: *process.get(b"uv_handle_size\0")?,
                handle_get_data: *process.get(b"uv_handle_get_data\0")?,
                handle_set_data: *process.get(b"uv_handle_set_data\0")?,
                loop_configure: *process.get(b"uv_loop_configure\0")?,
                metrics_idle_time: *process.get(b"uv_metrics_idle_time\0")?,
            })
        }
    }

    fn prepare_layout(&self) -> napi::Result<Layout> {
        // SAFETY: a pure function of a handle type.
        let size = unsafe { (self.handle_size)(UV_PREPARE) };
        Layout::from_size_align(size, ALIGNMENT)
            .map_err(|error| napi::Error::from_reason(format!("uv_handle_size: {error}")))
    }
}

/// `UV_METRICS_IDLE_TIME` of `uv_loop_option`.
const UV_METRICS_IDLE_TIME: c_int = 1;
/// `UV_PREPARE` of `uv_handle_type`.
const UV_PREPARE: c_int = 9;
/// As of malloc: enough for any member of a handle.
const ALIGNMENT: usize = 16;
