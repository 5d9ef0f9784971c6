//! A function of JavaScript that a callback of libuv calls.
#![allow(unsafe_code, reason = "libuv and its callbacks are C")]

use std::ffi::c_char;
use std::ptr;

use napi::bindgen_prelude::{Env, Function};
use napi::{JsValue, sys};

/// The function, with the async context that it is called in.
#[derive(Clone, Copy)]
pub(crate) struct Callback {
    env: sys::napi_env,
    scope: sys::napi_async_context,
    function: sys::napi_ref,
}

impl Callback {
    /// Keeps the function alive. **JavaScript runs in this call**: the `init` hooks of `async_hooks`,
    /// which may do anything.
    ///
    /// # Errors
    ///
    /// Of Node-API.
    pub(crate) fn new(env: Env, function: &Function<'_, (), ()>) -> napi::Result<Self> {
        Self::with_count(env, function, 1)
    }

    /// As [`new`](Self::new), but JavaScript keeps the function alive. Once it does not, nothing is
    /// called.
    pub(crate) fn weak(env: Env, function: &Function<'_, (), ()>) -> napi::Result<Self> {
        Self::with_count(env, function, 0)
    }

    /// `count` is that of the reference: with 0 it is weak.
    fn with_count(env: Env, function: &Function<'_, (), ()>, count: u32) -> napi::Result<Self> {
        let (env, function) = (env.raw(), function.raw());
        let mut callback = Self {
            env,
            scope: ptr::null_mut(),
            function: ptr::null_mut(),
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
            unsafe { sys::napi_async_init(env, ptr::null_mut(), name, &raw mut callback.scope) };
        napi::check_status!(status)?;
        // SAFETY: a function of this environment, alive in the caller's scope.
        let status =
            unsafe { sys::napi_create_reference(env, function, count, &raw mut callback.function) };
        if let Err(error) = napi::check_status!(status) {
            callback.release();
            return Err(error);
        }
        Ok(callback)
    }

    /// Releases the values of JavaScript: it is not called any more. Ignores statuses: an environment
    /// that ends frees them by itself.
    pub(crate) fn release(self) {
        // SAFETY: made in `new` for this environment, and released once.
        let _status = unsafe { sys::napi_delete_reference(self.env, self.function) };
        // SAFETY: as above.
        let _status = unsafe { sys::napi_async_destroy(self.env, self.scope) };
    }

    /// Calls the function; Node then runs its microtasks and ticks. Whether it has returned true. An
    /// exception is uncaught. Only from a callback of libuv, before [`release`](Self::release).
    pub(crate) fn call(self) -> bool {
        let env = self.env;
        let mut scope = ptr::null_mut();
        // SAFETY: on the JavaScript thread of a live environment.
        if unsafe { sys::napi_open_handle_scope(env, &raw mut scope) } != sys::Status::napi_ok {
            return false;
        }
        let mut is_true = false;
        let (mut function, mut global) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: the reference is alive, the scope is open, the out pointers are valid.
        let status =
            unsafe { sys::napi_get_reference_value(env, self.function, &raw mut function) };
        // SAFETY: as above.
        let global_status = unsafe { sys::napi_get_global(env, &raw mut global) };
        if status == sys::Status::napi_ok && global_status == status && !function.is_null() {
            let mut result = ptr::null_mut();
            // SAFETY: all values belong to the open scope; no arguments.
            let status = unsafe {
                sys::napi_make_callback(
                    env,
                    self.scope,
                    global,
                    function,
                    0,
                    ptr::null(),
                    &raw mut result,
                )
            };
            if status == sys::Status::napi_pending_exception {
                report_exception(env);
            } else if status == sys::Status::napi_ok {
                // Of another result nothing is written.
                // SAFETY: a value of the open scope, and a valid out pointer.
                unsafe { sys::napi_get_value_bool(env, result, &raw mut is_true) };
            }
        }
        // SAFETY: opened above.
        unsafe { sys::napi_close_handle_scope(env, scope) };
        is_true
    }
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

/// The name in profilers and `async_hooks`.
const NAME: &str = "IOLoop";
