//! Cheaper glue for the functions that are called once per turn, connection or message.
//!
//! What `#[napi]` generates opens a scope for borrowed values in each call and allocates for it:
//! about 100 ns where the call itself is 30 (`docs/design.md`). The functions here take their
//! arguments without it and call the same Rust functions; the generated ones are replaced under
//! their names when the module is loaded, and stay as what the typings are made from.
#![allow(unsafe_code, reason = "callbacks of Node-API are C")]

use std::ffi::CStr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use napi::bindgen_prelude::{External, FromNapiRef, FromNapiValue, Object};
use napi::{Env, JsValue, Result, sys};

use crate::native_loop::{NativeLoop, loop_turn};
use crate::{socket, transfer};

/// Replaces the generated functions, in each environment that loads the module.
pub(crate) fn replace(exports: &Object<'_>, env: Env) -> Result<()> {
    for (name, callback) in REPLACED {
        let mut function = ptr::null_mut();
        // SAFETY: on the JavaScript thread, with a name that ends in NUL and a valid out pointer.
        let status = unsafe {
            let length = name.count_bytes().cast_signed();
            sys::napi_create_function(
                env.raw(),
                name.as_ptr(),
                length,
                Some(callback),
                ptr::null_mut(),
                &raw mut function,
            )
        };
        napi::check_status!(status)?;
        // SAFETY: as above; both values belong to the scope of this call.
        let status = unsafe {
            sys::napi_set_named_property(env.raw(), exports.raw(), name.as_ptr(), function)
        };
        napi::check_status!(status)?;
    }
    Ok(())
}

const REPLACED: [(&CStr, Callback); 7] = [
    (c"loopTurn", turn),
    (c"socketAccept", accept),
    (c"socketRecv", recv),
    (c"socketSend", send),
    (c"fdRead", read),
    (c"fdWrite", write),
    (c"sendBatch", send_batch),
];

type Callback = unsafe extern "C" fn(sys::napi_env, sys::napi_callback_info) -> sys::napi_value;

unsafe extern "C" fn turn(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    answer(env, info, |arguments| {
        let [
            handle,
            now,
            submitted,
            count,
            completions,
            modes,
            slab,
            used,
        ] = arguments;
        // SAFETY: Node-API hands over values of this environment; the external is type-checked.
        let handle = unsafe { External::<NativeLoop>::from_napi_ref(env, handle) }?;
        let (now, submitted) = (argument(env, now)?, argument(env, submitted)?);
        Ok(loop_turn(
            handle,
            now,
            submitted,
            argument(env, count)?,
            argument(env, completions)?,
            argument(env, modes)?,
            argument(env, slab)?,
            argument(env, used)?,
        ))
    })
}

unsafe extern "C" fn accept(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    answer(env, info, |[fd, address]| {
        Ok(socket::socket_accept(
            argument(env, fd)?,
            argument(env, address)?,
        ))
    })
}

unsafe extern "C" fn recv(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    answer(env, info, |[fd, buffer, offset, length]| {
        let (fd, buffer) = (argument(env, fd)?, argument(env, buffer)?);
        Ok(socket::socket_recv(
            fd,
            buffer,
            argument(env, offset)?,
            argument(env, length)?,
        ))
    })
}

unsafe extern "C" fn send(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    answer(env, info, |[fd, bytes, offset, length]| {
        let (fd, bytes) = (argument(env, fd)?, argument(env, bytes)?);
        Ok(socket::socket_send(
            fd,
            bytes,
            argument(env, offset)?,
            argument(env, length)?,
        ))
    })
}

unsafe extern "C" fn read(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    answer(env, info, |[fd, buffer, offset, length]| {
        let (fd, buffer) = (argument(env, fd)?, argument(env, buffer)?);
        Ok(socket::fd_read(
            fd,
            buffer,
            argument(env, offset)?,
            argument(env, length)?,
        ))
    })
}

unsafe extern "C" fn send_batch(
    env: sys::napi_env,
    info: sys::napi_callback_info,
) -> sys::napi_value {
    answer(env, info, |[records, count, slab]| {
        let (records, count) = (argument(env, records)?, argument(env, count)?);
        Ok(transfer::send_batch(records, count, argument(env, slab)?))
    })
}

unsafe extern "C" fn write(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    answer(env, info, |[fd, bytes, offset, length]| {
        let (fd, bytes) = (argument(env, fd)?, argument(env, bytes)?);
        Ok(socket::fd_write(
            fd,
            bytes,
            argument(env, offset)?,
            argument(env, length)?,
        ))
    })
}

/// Takes the arguments of a call, runs `function`, and gives its number to JavaScript. What it
/// fails with is thrown, a panic too.
fn answer<const N: usize>(
    env: sys::napi_env,
    info: sys::napi_callback_info,
    function: impl FnOnce([sys::napi_value; N]) -> Result<i32>,
) -> sys::napi_value {
    let outcome = arguments(env, info).and_then(|arguments| {
        catch_unwind(AssertUnwindSafe(|| function(arguments)))
            .unwrap_or_else(|_| Err(napi::Error::from_reason("ioloop panicked: this is a bug")))
    });
    let mut result = ptr::null_mut();
    match outcome {
        // SAFETY: on the JavaScript thread, in the scope of this call, with a valid out pointer.
        Ok(number) => unsafe { sys::napi_create_int32(env, number, &raw mut result) },
        // SAFETY: as above; the message outlives the call.
        Err(error) => unsafe { throw(env, &error) },
    };
    result
}

fn arguments<const N: usize>(
    env: sys::napi_env,
    info: sys::napi_callback_info,
) -> Result<[sys::napi_value; N]> {
    let (mut values, mut count) = ([ptr::null_mut(); N], N);
    // SAFETY: the array has room for `count` values; missing ones become undefined.
    let status = unsafe {
        sys::napi_get_cb_info(
            env,
            info,
            &raw mut count,
            values.as_mut_ptr(),
            ptr::null_mut(),
            ptr::null_mut(),
        )
    };
    napi::check_status!(status)?;
    Ok(values)
}

fn argument<T: FromNapiValue>(env: sys::napi_env, value: sys::napi_value) -> Result<T> {
    // SAFETY: the value came with this call; the conversion checks its type. A slice is used
    // before the call returns, and no JavaScript of this thread runs meanwhile, so its memory is
    // neither detached nor moved. A view of a `SharedArrayBuffer` may be written by other threads
    // during the call, which the language does not allow for a slice. Its bytes are not read or
    // written here: the pointer and the length go to the kernel, which copies them in any order.
    // The caller sees what it sees of such memory without synchronisation: old or new bytes.
    unsafe { T::from_napi_value(env, value) }
}

/// # Safety
///
/// On the JavaScript thread, inside of a callback.
unsafe fn throw(env: sys::napi_env, error: &napi::Error) -> sys::napi_status {
    let message = format!("{}\0", error.reason.replace('\0', ""));
    // SAFETY: the message ends in NUL, and Node-API copies it.
    unsafe { sys::napi_throw_error(env, ptr::null(), message.as_ptr().cast()) }
}
