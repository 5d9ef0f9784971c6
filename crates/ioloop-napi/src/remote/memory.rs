//! Memory that threads share, for JavaScript.
#![allow(unsafe_code, reason = "Node-API is C")]

use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use napi::bindgen_prelude::ToNapiValue;
use napi::{Result, sys};

/// Words of Rust's memory that JavaScript gets as an `ArrayBuffer`, which keeps their owner alive;
/// `null` where the host has no such buffers (Electron).
///
/// Other threads may use the words meanwhile: they are atomic.
pub struct Memory<T> {
    owner: Arc<T>,
    words: fn(&T) -> &[AtomicU32],
}

impl<T: Send + Sync + 'static> Memory<T> {
    /// `words` returns the same memory in each call: it lives as long as the owner.
    pub(crate) fn new(owner: Arc<T>, words: fn(&T) -> &[AtomicU32]) -> Self {
        Self { owner, words }
    }
}

impl<T: Send + Sync + 'static> ToNapiValue for Memory<T> {
    // SAFETY: of the caller, as of the trait: this is the JavaScript thread of `env`.
    unsafe fn to_napi_value(env: sys::napi_env, memory: Self) -> Result<sys::napi_value> {
        let words = (memory.words)(&memory.owner);
        let (data, length) = (words.as_ptr().cast_mut().cast(), size_of_val(words));
        let owner = Arc::into_raw(memory.owner).cast_mut().cast();
        let mut value = ptr::null_mut();
        // SAFETY: the caller is on the JavaScript thread of `env`. The memory lives until `release`
        // drops the owner. JavaScript writes to it, which atomic words allow.
        let status = unsafe {
            sys::napi_create_external_arraybuffer(
                env,
                data,
                length,
                Some(release::<T>),
                owner,
                &raw mut value,
            )
        };
        if status == sys::Status::napi_ok {
            return Ok(value);
        }
        // SAFETY: made by `into_raw` above; a call that fails does not finalize.
        drop(unsafe { Arc::from_raw(owner.cast::<T>()) });
        if status != sys::Status::napi_no_external_buffers_allowed {
            napi::check_status!(status)?;
        }
        // SAFETY: as above, with a valid out pointer.
        let status = unsafe { sys::napi_get_null(env, &raw mut value) };
        napi::check_status!(status)?;
        Ok(value)
    }
}

/// Called by Node-API: the `ArrayBuffer` is garbage, or its environment ends.
unsafe extern "C" fn release<T>(_env: sys::napi_env, _data: *mut c_void, owner: *mut c_void) {
    // SAFETY: made by `into_raw`, and released once.
    drop(unsafe { Arc::from_raw(owner.cast::<T>()) });
}
