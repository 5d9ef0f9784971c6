//! Memory of the module that JavaScript writes to and reads from.
//!
//! JavaScript's arrays are not in the memory of a module of WebAssembly: Node-API copies such an array
//! into the module, and copies nothing back. `ts/boundary/module-memory.ts` therefore copies the arrays
//! of a crossing to and from this room.
//!
//! A view of the room is valid until the memory of the module grows, which any call may cause. Its
//! `byteLength` is 0 then, and JavaScript asks for another one.
#![allow(unsafe_code, reason = "Node-API is C")]

use std::cell::RefCell;
use std::ffi::c_void;
use std::ptr;

use napi::bindgen_prelude::ToNapiValue;
use napi::{Result, sys};
use napi_derive::napi;

thread_local! {
    /// Words, so that it is aligned for each type of array. Grows, and never shrinks.
    static ROOM: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// A view of a part of the memory, for JavaScript.
pub struct View {
    data: *mut c_void,
    bytes: usize,
}

/// A view of the room, of at least so many bytes. It replaces the views that were made before.
#[napi(catch_unwind, ts_return_type = "Uint8Array")]
#[must_use]
pub fn module_room(bytes: u32) -> View {
    ROOM.with_borrow_mut(|room| {
        let words = (bytes as usize).div_ceil(size_of::<u64>());
        if room.len() < words {
            room.resize(words, 0);
        }
        View {
            data: room.as_mut_ptr().cast(),
            bytes: size_of_val(room.as_slice()),
        }
    })
}

impl ToNapiValue for View {
    // SAFETY: of the caller, as of the trait: this is the JavaScript thread of `env`.
    unsafe fn to_napi_value(env: sys::napi_env, view: Self) -> Result<sys::napi_value> {
        let mut value = ptr::null_mut();
        // SAFETY: the caller is on the JavaScript thread of `env`. The memory is the room's, which is
        // never freed, but for a larger room, which replaces this view. Rust reads and writes it only
        // as the arguments of a call that JavaScript passes views of it to.
        let status = unsafe {
            emnapi_create_memory_view(
                env,
                UINT8_ARRAY,
                view.data,
                view.bytes,
                None,
                ptr::null_mut(),
                &raw mut value,
            )
        };
        napi::check_status!(status)?;
        Ok(value)
    }
}

/// `emnapi_uint8_array`.
const UINT8_ARRAY: i32 = 1;

unsafe extern "C" {
    /// emnapi's: a typed array on the module's own memory.
    fn emnapi_create_memory_view(
        env: sys::napi_env,
        kind: i32,
        data: *mut c_void,
        byte_length: usize,
        finalize: sys::napi_finalize,
        hint: *mut c_void,
        result: *mut sys::napi_value,
    ) -> sys::napi_status;
}
