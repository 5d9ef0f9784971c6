//! The libuv driver: one `uv_poll_t` of Node's loop, on the loop's selector.
//!
//! The descriptors of users stay in our selector and never enter libuv's. So closing one cannot make
//! libuv abort, and libuv's limit of one poll handle per descriptor does not apply to them.
//!
//! libuv's functions are looked up at first use, and its handle is a block of the size that
//! `uv_handle_size` returns: no libuv headers, no layout. All runs on the JavaScript thread.
#![allow(unsafe_code, reason = "libuv and the callbacks of Node-API are C")]

use std::alloc::{Layout, handle_alloc_error};
use std::cell::Cell;
use std::ffi::{c_char, c_int, c_void};
use std::io;
use std::os::fd::RawFd;
use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::sync::OnceLock;

use libloading::os::unix::Library;
use napi::bindgen_prelude::{Env, Function};
use napi::{JsValue, sys};

use super::Failure;

/// A poll handle on a selector, with its callback. Dropping it closes the handle; its memory is
/// freed in libuv's close callback.
pub(crate) struct Watch {
    handle: SharedHandle,
    parked: Cell<bool>,
}

/// The handle while it is open. Both the owner and the end of the environment close it: the first
/// takes it out, and the other finds `None`. The owner may be dropped last, by a finalizer of an
/// environment that has ended.
type SharedHandle = Rc<Cell<Option<NonNull<c_void>>>>;

/// The target of the handle's data pointer. Owned by the handle, after a move by the new one; freed
/// in [`on_close`].
struct Context {
    env: sys::napi_env,
    scope: sys::napi_async_context,
    callback: sys::napi_ref,
    /// An environment that ends waits until this hook is removed.
    hook: sys::napi_async_cleanup_hook_handle,
    uv_loop: *mut c_void,
    layout: Layout,
    handle: SharedHandle,
}

impl Watch {
    pub(crate) fn start(
        env: Env,
        wake: &Function<'_, (), ()>,
        selector: impl FnOnce() -> Option<RawFd>,
    ) -> Result<Self, Failure> {
        let uv = Uv::get()?;
        let uv_loop = env.get_uv_event_loop()?.cast::<c_void>();
        let layout = uv.handle_layout()?;
        let context = Box::new(Context::new(env.raw(), wake.raw(), uv_loop, layout)?);
        // No JavaScript runs from here on: the loop cannot be closed before this returns.
        let opened = selector()
            .ok_or(Failure::Errno(EBADF))
            .and_then(|selector| Ok(open(uv, uv_loop, layout, selector)?));
        let handle = match opened {
            Ok(handle) => handle,
            Err(failure) => {
                context.release();
                return Err(failure);
            }
        };
        context.handle.set(Some(handle));
        let watch = Self {
            handle: Rc::clone(&context.handle),
            parked: Cell::new(false),
        };
        let context = Box::into_raw(context);
        // SAFETY: the handle is initialised; the context lives until on_close.
        unsafe { (uv.handle_set_data)(handle.as_ptr(), context.cast()) };
        begin(uv, handle)?;
        // SAFETY: the context was made above and nothing else refers to it now.
        unsafe { &mut *context }.add_hook()?;
        Ok(watch)
    }

    /// Watches another selector, by a new handle with the same context.
    pub(crate) fn move_to(&self, selector: RawFd) -> io::Result<()> {
        let Some(old) = self.handle.get() else {
            return Ok(());
        };
        let uv = Uv::get().map_err(|_| io::Error::from(io::ErrorKind::Unsupported))?;
        let context = context_of(uv, old);
        // SAFETY: the handle is open, so its context is alive; nothing changes it meanwhile.
        let Context {
            uv_loop, layout, ..
        } = *unsafe { &*context };
        let new = open(uv, uv_loop, layout, selector)?;
        // SAFETY: the handle is initialised; the context lives until on_close of the last handle.
        unsafe { (uv.handle_set_data)(new.as_ptr(), context.cast()) };
        if let Err(error) = begin(uv, new) {
            // SAFETY: initialised above, closed once; nothing else refers to it.
            unsafe { (uv.close)(new.as_ptr(), on_replaced) };
            return Err(error);
        }
        self.handle.set(Some(new));
        self.parked.set(false);
        // SAFETY: initialised in `start` or here before, and replaced above: closed once.
        unsafe { (uv.close)(old.as_ptr(), on_replaced) };
        Ok(())
    }

    /// Stops the calls; the handle stays open.
    pub(crate) fn park(&self) {
        let (Ok(uv), Some(handle), false) = (Uv::get(), self.handle.get(), self.parked.get())
        else {
            return;
        };
        // SAFETY: the handle is initialised and not closing.
        unsafe { (uv.poll_stop)(handle.as_ptr()) };
        self.parked.set(true);
    }

    /// Undoes [`park`](Self::park).
    pub(crate) fn rearm(&self) {
        if !self.parked.get() {
            return;
        }
        let (Ok(uv), Some(handle)) = (Uv::get(), self.handle.get()) else {
            return;
        };
        // It fails only if another handle polls this number; the selector has one handle.
        self.parked.set(begin(uv, handle).is_err());
    }
}

/// A new handle on a selector, without data, which does not poll yet.
fn open(
    uv: &Uv,
    uv_loop: *mut c_void,
    layout: Layout,
    selector: RawFd,
) -> io::Result<NonNull<c_void>> {
    let handle = allocate(layout);
    // SAFETY: the loop is this environment's, the block has the size and alignment of a uv_poll_t.
    // libuv checks the descriptor.
    let status = unsafe { (uv.poll_init)(uv_loop, handle.as_ptr(), selector) };
    if status < 0 {
        // SAFETY: allocated above with this layout; libuv keeps nothing of a failed init.
        unsafe { std::alloc::dealloc(handle.as_ptr().cast(), layout) };
        return Err(io::Error::from_raw_os_error(-status));
    }
    Ok(handle)
}

/// Starts to poll. The data of the handle has to be a context.
fn begin(uv: &Uv, handle: NonNull<c_void>) -> io::Result<()> {
    // SAFETY: the handle is initialised and not closing.
    let status = unsafe { (uv.poll_start)(handle.as_ptr(), UV_READABLE, on_poll) };
    if status < 0 {
        return Err(io::Error::from_raw_os_error(-status));
    }
    Ok(())
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            close(handle);
        }
    }
}

impl Context {
    fn new(
        env: sys::napi_env,
        wake: sys::napi_value,
        uv_loop: *mut c_void,
        layout: Layout,
    ) -> napi::Result<Self> {
        let mut context = Self {
            env,
            scope: ptr::null_mut(),
            callback: ptr::null_mut(),
            hook: ptr::null_mut(),
            uv_loop,
            layout,
            handle: SharedHandle::default(),
        };
        let mut name = ptr::null_mut();
        // SAFETY: the string is valid for the call, `name` receives the value.
        let status = unsafe {
            sys::napi_create_string_utf8(
                env,
                NAME.as_ptr().cast::<c_char>(),
                NAME.len().cast_signed(),
                &raw mut name,
            )
        };
        napi::check_status!(status)?;
        // SAFETY: no resource object is passed, Node makes one; the out pointer is valid.
        let status =
            unsafe { sys::napi_async_init(env, ptr::null_mut(), name, &raw mut context.scope) };
        napi::check_status!(status)?;
        // SAFETY: `wake` is a function of this environment, alive in the caller's scope.
        let status = unsafe { sys::napi_create_reference(env, wake, 1, &raw mut context.callback) };
        if let Err(error) = napi::check_status!(status) {
            context.release();
            return Err(error);
        }
        Ok(context)
    }

    /// Closes the handle when the environment ends before the loop does, as in
    /// `worker.terminate()`: Node then runs libuv until the hook is removed, in [`on_close`].
    fn add_hook(&mut self) -> napi::Result<()> {
        let data = ptr::from_mut(self).cast();
        // SAFETY: the context outlives the hook, which is removed when it is freed.
        let status = unsafe {
            sys::napi_add_async_cleanup_hook(self.env, Some(on_cleanup), data, &raw mut self.hook)
        };
        napi::check_status!(status)
    }

    /// Releases the values of JavaScript. Ignores statuses: an environment that ends frees them by
    /// itself.
    fn release(&self) {
        // SAFETY: made in `new` for this environment, and released once.
        let _status = unsafe { sys::napi_delete_reference(self.env, self.callback) };
        // SAFETY: as above.
        let _status = unsafe { sys::napi_async_destroy(self.env, self.scope) };
    }
}

/// Closes a handle that was taken out of its [`SharedHandle`].
fn close(handle: NonNull<c_void>) {
    let Ok(uv) = Uv::get() else { return };
    // SAFETY: the context lives until on_close, which comes after the close below.
    unsafe { &*context_of(uv, handle) }.release();
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

/// Called by libuv: the selector is readable. A negative status wakes the loop too: its next turn
/// fails with the error of the selector.
extern "C" fn on_poll(handle: *mut c_void, _status: c_int, _events: c_int) {
    let (Ok(uv), Some(handle)) = (Uv::get(), NonNull::new(handle)) else {
        return;
    };
    // SAFETY: libuv calls back only between poll_start and close, when the context is alive. It
    // is not used after the callback, which may stop the loop and close the handle.
    let context = unsafe { &*context_of(uv, handle) };
    let Context {
        env,
        scope,
        callback,
        ..
    } = *context;
    call(env, scope, callback);
}

/// Calls the function of `callback`; Node then runs its microtasks. An exception is uncaught.
fn call(env: sys::napi_env, async_scope: sys::napi_async_context, callback: sys::napi_ref) {
    let mut scope = ptr::null_mut();
    // SAFETY: on the JavaScript thread of a live environment.
    if unsafe { sys::napi_open_handle_scope(env, &raw mut scope) } != sys::Status::napi_ok {
        return;
    }
    let (mut function, mut global) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: the reference is alive, the scope is open, the out pointers are valid.
    let status = unsafe { sys::napi_get_reference_value(env, callback, &raw mut function) };
    // SAFETY: as above.
    let global_status = unsafe { sys::napi_get_global(env, &raw mut global) };
    if status == sys::Status::napi_ok && global_status == status && !function.is_null() {
        // SAFETY: all values belong to the open scope; no arguments, no result wanted.
        let status = unsafe {
            sys::napi_make_callback(
                env,
                async_scope,
                global,
                function,
                0,
                ptr::null(),
                ptr::null_mut(),
            )
        };
        if status == sys::Status::napi_pending_exception {
            report_exception(env);
        }
    }
    // SAFETY: opened above.
    unsafe { sys::napi_close_handle_scope(env, scope) };
}

fn report_exception(env: sys::napi_env) {
    let mut error = ptr::null_mut();
    // SAFETY: an exception is pending in this environment, a handle scope is open.
    if unsafe { sys::napi_get_and_clear_last_exception(env, &raw mut error) }
        == sys::Status::napi_ok
    {
        // SAFETY: `error` belongs to the open scope.
        unsafe { sys::napi_fatal_exception(env, error) };
    }
}

/// Called by Node: the environment ends.
unsafe extern "C" fn on_cleanup(_hook: sys::napi_async_cleanup_hook_handle, data: *mut c_void) {
    // SAFETY: the hook is removed when the context is freed, so it is alive.
    let context = unsafe { &*data.cast::<Context>() };
    if let Some(handle) = context.handle.take() {
        close(handle);
    }
}

/// Called by libuv: a handle is closed whose context another handle has.
extern "C" fn on_replaced(handle: *mut c_void) {
    let (Ok(uv), Some(handle)) = (Uv::get(), NonNull::new(handle)) else {
        return;
    };
    let Ok(layout) = uv.handle_layout() else {
        return;
    };
    // SAFETY: allocated with this layout in `open`; libuv does not touch it any more.
    unsafe { std::alloc::dealloc(handle.as_ptr().cast(), layout) };
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
        // SAFETY: added in `add_hook` and removed once. If the environment is ending,
        // Node waits for this.
        unsafe { sys::napi_remove_async_cleanup_hook(context.hook) };
    }
}

/// The functions of libuv in use, with the signatures of `uv.h` of libuv 1.x.
struct Uv {
    poll_init: unsafe extern "C" fn(*mut c_void, *mut c_void, c_int) -> c_int,
    poll_start: unsafe extern "C" fn(*mut c_void, c_int, PollCallback) -> c_int,
    poll_stop: unsafe extern "C" fn(*mut c_void) -> c_int,
    close: unsafe extern "C" fn(*mut c_void, CloseCallback),
    handle_size: unsafe extern "C" fn(c_int) -> usize,
    handle_get_data: unsafe extern "C" fn(*mut c_void) -> *mut c_void,
    handle_set_data: unsafe extern "C" fn(*mut c_void, *mut c_void),
}

type PollCallback = extern "C" fn(*mut c_void, c_int, c_int);
type CloseCallback = extern "C" fn(*mut c_void);

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
                poll_init: *process.get(b"uv_poll_init\0")?,
                poll_start: *process.get(b"uv_poll_start\0")?,
                poll_stop: *process.get(b"uv_poll_stop\0")?,
                close: *process.get(b"uv_close\0")?,
                handle_size: *process.get(b"uv_handle_size\0")?,
                handle_get_data: *process.get(b"uv_handle_get_data\0")?,
                handle_set_data: *process.get(b"uv_handle_set_data\0")?,
            })
        }
    }

    fn handle_layout(&self) -> napi::Result<Layout> {
        // SAFETY: a pure function of a handle type.
        let size = unsafe { (self.handle_size)(UV_POLL) };
        Layout::from_size_align(size, ALIGNMENT)
            .map_err(|error| napi::Error::from_reason(format!("uv_handle_size: {error}")))
    }
}

/// The name in profilers and `async_hooks`.
const NAME: &str = "IOLoop";
const EBADF: c_int = rustix::io::Errno::BADF.raw_os_error();
/// `UV_READABLE` of `uv_poll_event`.
const UV_READABLE: c_int = 1;
/// `UV_POLL` of `uv_handle_type`.
const UV_POLL: c_int = 8;
/// As of malloc: enough for any member of a handle.
const ALIGNMENT: usize = 16;
