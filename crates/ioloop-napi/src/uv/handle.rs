//! A handle of libuv with its state. Dropping it closes the handle; its memory is freed in libuv's
//! close callback.
//!
//! | State | Its slot has | Until |
//! | --- | --- | --- |
//! | open | the handle | the owner drops it, or the environment ends: each finds it or `None` |
//! | closing | `None` | libuv's close callback, which an environment that ends waits for |
#![allow(unsafe_code, reason = "libuv and its callbacks are C")]

use std::alloc::{Layout, handle_alloc_error};
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::io;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::rc::Rc;

use napi::bindgen_prelude::Env;
use napi::sys;

use super::{Kind, Uv, libuv};
use crate::errno::Failure;

/// An open handle with a `T`.
pub(crate) struct Handle<T: Body> {
    slot: Slot,
    body: PhantomData<T>,
}

/// The state of a handle.
pub(crate) trait Body: 'static {
    /// The type of the handle.
    const KIND: Kind;

    /// The handle is about to be closed, or could not be opened. Called once, on the JavaScript
    /// thread.
    fn on_close(&self);
}

/// The handle while it is open. Both the owner and the end of the environment close it: the first
/// takes it out, and the other finds `None`. The owner may be dropped last, by a finalizer of an
/// environment that has ended.
type Slot = Rc<Cell<Option<NonNull<c_void>>>>;

/// The target of the handle's data pointer. Owned by the handle, after a replacement by the new
/// one; freed in [`on_close`].
pub(crate) struct Context<T> {
    pub(crate) body: T,
    /// An environment that ends waits until this hook is removed.
    hook: sys::napi_async_cleanup_hook_handle,
    pub(super) uv_loop: *mut c_void,
    slot: Slot,
}

impl<T: Body> Handle<T> {
    /// A handle of `env`'s loop, which `init` initialises: it gets the loop and the block, and
    /// returns a status. Runs no JavaScript.
    ///
    /// # Errors
    ///
    /// Of `init` and of Node-API.
    pub(crate) fn open(
        env: Env,
        body: T,
        init: impl FnOnce(&Uv, *mut c_void, *mut c_void) -> c_int,
    ) -> Result<Self, Failure> {
        let (uv, uv_loop, handle) = initialised::<T>(env, init).inspect_err(|_| body.on_close())?;
        let slot = Rc::new(Cell::new(Some(handle)));
        let context = Box::into_raw(Box::new(Context {
            body,
            hook: ptr::null_mut(),
            uv_loop,
            slot: Rc::clone(&slot),
        }));
        // SAFETY: the handle is initialised; the context lives until on_close.
        unsafe { (uv.handle_set_data)(handle.as_ptr(), context.cast()) };
        // On an error it is closed.
        let opened = Self {
            slot,
            body: PhantomData,
        };
        // SAFETY: the context was made above, and nothing else refers to it now.
        unsafe { &mut *context }.add_hook(env)?;
        Ok(opened)
    }

    /// The handle, and its context; `None` once it is closed.
    pub(crate) fn get(&self) -> Option<(NonNull<c_void>, &Context<T>)> {
        let handle = self.slot.get()?;
        let uv = Uv::get().ok()?;
        // SAFETY: the handle is open, so its context is alive, at least as long as `self`: what closes
        // the handle otherwise, the end of the environment, frees it in a later callback of libuv.
        let context = unsafe { &*context_of::<T>(uv, handle) };
        Some((handle, context))
    }

    /// Puts another handle of the same kind in the place of this one, with the same context. `start`
    /// starts it. On an error this one stays.
    ///
    /// # Errors
    ///
    /// Of `init` and `start`.
    pub(crate) fn replace(
        &self,
        init: impl FnOnce(&Uv, *mut c_void, *mut c_void) -> c_int,
        start: impl FnOnce(&Uv, *mut c_void) -> c_int,
    ) -> Result<(), Failure> {
        let Some((old, context)) = self.get() else {
            return Ok(());
        };
        let uv = libuv()?;
        let layout = uv.layout(T::KIND)?;
        let new = allocate(layout, |handle| init(uv, context.uv_loop, handle))?;
        let data = ptr::from_ref(context).cast_mut().cast();
        // SAFETY: the handle is initialised; the context lives until on_close of the last handle.
        unsafe { (uv.handle_set_data)(new.as_ptr(), data) };
        let started = check(start(uv, new.as_ptr()));
        let closing = if started.is_ok() { old } else { new };
        if started.is_ok() {
            self.slot.set(Some(new));
        }
        // SAFETY: initialised, and out of the slot from here on: closed once.
        unsafe { (uv.close)(closing.as_ptr(), on_replaced::<T>) };
        Ok(started?)
    }

    /// Does not keep Node's loop alive.
    pub(crate) fn unref(&self) {
        if let (Some(handle), Ok(uv)) = (self.slot.get(), Uv::get()) {
            // SAFETY: the handle is initialised and not closing.
            unsafe { (uv.unref)(handle.as_ptr()) };
        }
    }
}

impl<T: Body> Drop for Handle<T> {
    fn drop(&mut self) {
        close::<T>(&self.slot);
    }
}

impl<T: Body> Context<T> {
    /// Whether the handle is open. A callback asks this after it has called JavaScript.
    pub(crate) fn is_open(&self) -> bool {
        self.handle().is_some()
    }

    /// The handle, while it is open.
    pub(super) fn handle(&self) -> Option<NonNull<c_void>> {
        self.slot.get()
    }

    /// Closes the handle when the environment ends before its owner does, as in
    /// `worker.terminate()`: Node then runs libuv until the hook is removed, in [`on_close`].
    fn add_hook(&mut self, env: Env) -> Result<(), Failure> {
        let data = ptr::from_mut(self).cast();
        let env = env.raw();
        // SAFETY: the context outlives the hook, which is removed when it is freed.
        let status = unsafe {
            sys::napi_add_async_cleanup_hook(env, Some(on_cleanup::<T>), data, &raw mut self.hook)
        };
        Ok(napi::check_status!(status)?)
    }
}

/// The context of a handle that calls back; `None` if there is no libuv, which is impossible then.
///
/// # Safety
///
/// Called from a callback of the handle, which was opened with a `T`. The context is alive until that
/// callback has returned, even if the handle is closed meanwhile.
pub(crate) unsafe fn opened<'callback, T: Body>(
    handle: *mut c_void,
) -> Option<(&'static Uv, &'callback Context<T>)> {
    let (uv, handle) = (Uv::get().ok()?, NonNull::new(handle)?);
    // SAFETY: by the contract of this function.
    Some((uv, unsafe { &*context_of::<T>(uv, handle) }))
}

fn context_of<T>(uv: &Uv, handle: NonNull<c_void>) -> *mut Context<T> {
    // SAFETY: the handle is initialised; its data was set when it was opened.
    unsafe { (uv.handle_get_data)(handle.as_ptr()) }.cast()
}

/// A new handle of a loop, without data.
fn initialised<T: Body>(
    env: Env,
    init: impl FnOnce(&Uv, *mut c_void, *mut c_void) -> c_int,
) -> Result<(&'static Uv, *mut c_void, NonNull<c_void>), Failure> {
    let uv = libuv()?;
    let uv_loop = env.get_uv_event_loop()?.cast::<c_void>();
    let layout = uv.layout(T::KIND)?;
    let handle = allocate(layout, |handle| init(uv, uv_loop, handle))?;
    Ok((uv, uv_loop, handle))
}

/// A block for a handle, initialised by `init`.
fn allocate(
    layout: Layout,
    init: impl FnOnce(*mut c_void) -> c_int,
) -> io::Result<NonNull<c_void>> {
    // SAFETY: the layout of a handle is never of size zero.
    let block = unsafe { std::alloc::alloc_zeroed(layout) };
    let handle = NonNull::new(block.cast()).unwrap_or_else(|| handle_alloc_error(layout));
    check(init(handle.as_ptr())).inspect_err(|_| {
        // SAFETY: allocated above with this layout; libuv keeps nothing of a failed init.
        unsafe { std::alloc::dealloc(block, layout) };
    })?;
    Ok(handle)
}

fn check(status: c_int) -> io::Result<()> {
    if status < 0 {
        return Err(io::Error::from_raw_os_error(-status));
    }
    Ok(())
}

/// Closes the handle of a slot, unless it was closed.
fn close<T: Body>(slot: &Slot) {
    let (Some(handle), Ok(uv)) = (slot.take(), Uv::get()) else {
        return;
    };
    // SAFETY: the context lives until on_close, which comes after the close below.
    let context = unsafe { &*context_of::<T>(uv, handle) };
    context.body.on_close();
    // SAFETY: the handle is initialised, and being taken out once it is closed once.
    unsafe { (uv.close)(handle.as_ptr(), on_close::<T>) };
}

/// Called by Node: the environment ends.
unsafe extern "C" fn on_cleanup<T: Body>(
    _hook: sys::napi_async_cleanup_hook_handle,
    data: *mut c_void,
) {
    // SAFETY: the hook is removed when the context is freed, so it is alive.
    let slot = Rc::clone(&unsafe { &*data.cast::<Context<T>>() }.slot);
    close::<T>(&slot);
}

/// Called by libuv: a handle is closed whose context another handle has, or had: that one may be
/// freed first.
extern "C" fn on_replaced<T: Body>(handle: *mut c_void) {
    let Some(layout) = Uv::get().ok().and_then(|uv| uv.layout(T::KIND).ok()) else {
        return;
    };
    // SAFETY: allocated with this layout; libuv does not touch it any more.
    unsafe { std::alloc::dealloc(handle.cast(), layout) };
}

/// Called by libuv: the handle is closed.
extern "C" fn on_close<T: Body>(handle: *mut c_void) {
    let (Ok(uv), Some(handle)) = (Uv::get(), NonNull::new(handle)) else {
        return;
    };
    // SAFETY: the context came out of Box::into_raw, and this is the one place that takes it back.
    let context = unsafe { Box::from_raw(context_of::<T>(uv, handle)) };
    on_replaced::<T>(handle.as_ptr());
    if !context.hook.is_null() {
        // SAFETY: added in `add_hook` and removed once. If the environment is ending,
        // Node waits for this.
        unsafe { sys::napi_remove_async_cleanup_hook(context.hook) };
    }
}
