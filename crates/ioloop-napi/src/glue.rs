//! Exports for what JavaScript calls once per message, connection or turn.
//!
//! The glue that `#[napi]` generates opens a scope for borrowed values in each call and allocates
//! for it: 105 ns a call, of which `glue!` takes 65 (`docs/design.md`). It is a function, its
//! export and its typing in one:
//!
//! ```ignore
//! glue! {
//!     "`socketRecv(fd, buffer)`: receives into `buffer`. The number of bytes, 0 at EOF."
//!     socketRecv(fd: i32, buffer: &mut [u8]) {
//!         net::recv(JsFd::new(fd)?, buffer)
//!     }
//! }
//! ```
//!
//! The body is a `Result` of a [`Value`](crate::errno::Value). Arguments are of the types that
//! implement [`Argument`], borrowed for the call. For napi-rs the export is a constant whose value
//! is a [`Function`]. Its typing names the parameters `arg0`, `arg1`, …, so the documentation begins
//! with their names; it is in strings, as napi-derive mangles `///` that has passed a macro.
#![allow(unsafe_code, reason = "Node-API is C")]

use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};
use std::slice;

use napi::bindgen_prelude::{External, FromNapiRef, FromNapiValue, ToNapiValue};
use napi::{Result, sys};

/// Exports a function; see the [module](self).
macro_rules! glue {
    ($($doc:literal)+ $name:ident($($argument:ident: $Type:ty),+ $(,)?) $body:block) => {
        $(#[doc = $doc])+
        #[napi_derive::napi]
        #[allow(non_upper_case_globals, reason = "JavaScript's name")]
        pub const $name: $crate::glue::Function<napi::bindgen_prelude::FnArgs<($($Type,)+)>, i32> = {
            // Named, as Rust 1.88 infers no const argument from `_`.
            const COUNT: usize = [$(stringify!($argument)),+].len();
            struct Body;

            impl $crate::glue::Call<COUNT> for Body {
                fn call(arguments: [$crate::glue::Passed<'_>; COUNT]) -> napi::Result<i32> {
                    let [$($argument),+] = arguments;
                    $(let $argument: $Type = $argument.get()?;)+
                    Ok($crate::errno::or_errno(move || $body))
                }
            }

            $crate::glue::Function::of::<Body, COUNT>(stringify!($name))
        };
    };
}
pub(crate) use glue;

/// The body of a function that takes `N` arguments.
pub(crate) trait Call<const N: usize> {
    /// # Errors
    ///
    /// Thrown: an argument has a wrong type.
    fn call(arguments: [Passed<'_>; N]) -> Result<i32>;
}

/// The value of an exported constant: a function of JavaScript. The parameters and the result are
/// for napi-derive, which makes the typing of them by the names of these types.
pub struct Function<Parameters, Returned> {
    name: &'static str,
    callback: Callback,
    signature: PhantomData<fn(Parameters) -> Returned>,
}

type Callback = unsafe extern "C" fn(sys::napi_env, sys::napi_callback_info) -> sys::napi_value;

impl<Parameters, Returned> Function<Parameters, Returned> {
    pub(crate) const fn of<C: Call<N>, const N: usize>(name: &'static str) -> Self {
        Self {
            name,
            callback: callback::<C, N>,
            signature: PhantomData,
        }
    }
}

impl<Parameters, Returned> ToNapiValue for Function<Parameters, Returned> {
    // SAFETY: of the caller, as of the trait: this is the JavaScript thread of `env`.
    unsafe fn to_napi_value(env: sys::napi_env, function: Self) -> Result<sys::napi_value> {
        let mut value = ptr::null_mut();
        // SAFETY: the caller is on the JavaScript thread of `env`; the name has this length, and the
        // out pointer is valid.
        let status = unsafe {
            sys::napi_create_function(
                env,
                function.name.as_ptr().cast(),
                function.name.len().cast_signed(),
                Some(function.callback),
                ptr::null_mut(),
                &raw mut value,
            )
        };
        napi::check_status!(status)?;
        Ok(value)
    }
}

/// Calls the body, and returns its number to JavaScript. Throws what a conversion fails with, and
/// an error for a panic.
///
/// # Safety
///
/// Called by Node-API, on the JavaScript thread of `env`.
unsafe extern "C" fn callback<C: Call<N>, const N: usize>(
    env: sys::napi_env,
    info: sys::napi_callback_info,
) -> sys::napi_value {
    let number = passed::<N>(env, info).and_then(|arguments| {
        catch_unwind(AssertUnwindSafe(|| C::call(arguments)))
            .unwrap_or_else(|_| Err(napi::Error::from_reason("ioloop panicked: this is a bug")))
    });
    let mut result = ptr::null_mut();
    match number {
        // SAFETY: on the JavaScript thread, in the scope of this call, with a valid out pointer.
        Ok(number) => unsafe { sys::napi_create_int32(env, number, &raw mut result) },
        // SAFETY: on the JavaScript thread, inside of a callback.
        Err(error) => unsafe { throw(env, &error) },
    };
    result
}

/// The arguments of a call; a missing one is undefined.
fn passed<'call, const N: usize>(
    env: sys::napi_env,
    info: sys::napi_callback_info,
) -> Result<[Passed<'call>; N]> {
    let (mut values, mut count) = ([ptr::null_mut(); N], N);
    // SAFETY: the array has room for `count` values, and Node-API fills it.
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
    Ok(values.map(|value| Passed {
        env,
        value,
        call: PhantomData,
    }))
}

/// One argument of a call. Only [`passed`] makes it, so it is a value of this call.
pub(crate) struct Passed<'call> {
    env: sys::napi_env,
    value: sys::napi_value,
    call: PhantomData<&'call mut ()>,
}

impl<'call> Passed<'call> {
    /// # Errors
    ///
    /// It is not of this type.
    pub(crate) fn get<T: Argument<'call>>(self) -> Result<T> {
        T::from_passed(self)
    }
}

/// A type of argument. What it borrows from JavaScript ends with the call.
pub(crate) trait Argument<'call>: Sized {
    /// # Errors
    ///
    /// The argument is not of this type.
    fn from_passed(passed: Passed<'call>) -> Result<Self>;
}

macro_rules! arguments {
    ($($Type:ty),+) => {$(
        impl<'call> Argument<'call> for $Type {
            fn from_passed(passed: Passed<'call>) -> Result<Self> {
                // A view of a `SharedArrayBuffer` may be written by other threads meanwhile, which
                // the language does not allow for a slice. The bytes that users pass are neither
                // read nor written here: pointer and length go to the kernel, which copies them.
                //
                // SAFETY: a value of this call, whose type the conversion checks. A slice ends with
                // the call, and no JavaScript of this thread runs before that, so its memory is
                // neither detached nor moved. The arrays of a call do not overlap (see `lib.rs`).
                unsafe { Self::from_napi_value(passed.env, passed.value) }
            }
        }
    )+};
}

arguments!(i32, u32, f64);

/// An element of a typed array, any bits of which are a value.
trait Element {
    const TYPE: sys::napi_typedarray_type;
}

impl Element for u8 {
    const TYPE: sys::napi_typedarray_type = sys::TypedarrayType::uint8_array;
}

impl Element for i32 {
    const TYPE: sys::napi_typedarray_type = sys::TypedarrayType::int32_array;
}

impl Element for f64 {
    const TYPE: sys::napi_typedarray_type = sys::TypedarrayType::float64_array;
}

/// The memory of a typed array of `T`. napi-rs asks for its buffer and offset too, for which V8 makes
/// handles that are not used.
fn memory<T: Element>(Passed { env, value, .. }: Passed<'_>) -> Result<(NonNull<T>, usize)> {
    let (mut kind, mut length, mut data) = (-1, 0, ptr::null_mut());
    // SAFETY: a value of this call, with valid out pointers; those that are null are not written.
    let status = unsafe {
        sys::napi_get_typedarray_info(
            env,
            value,
            &raw mut kind,
            &raw mut length,
            &raw mut data,
            ptr::null_mut(),
            ptr::null_mut(),
        )
    };
    napi::check_status!(status)?;
    if kind != T::TYPE {
        return Err(napi::Error::from_reason("a typed array of another type"));
    }
    // An empty array may have no memory.
    let start = NonNull::new(data.cast());
    Ok(start.map_or((NonNull::dangling(), 0), |start| (start, length)))
}

impl<'call, T: Element> Argument<'call> for &'call [T] {
    fn from_passed(passed: Passed<'call>) -> Result<Self> {
        let (start, length) = memory(passed)?;
        // SAFETY: as of the numbers: a view of this call, aligned as V8 aligns views of this type, whose
        // memory is neither detached nor moved before the call returns.
        Ok(unsafe { slice::from_raw_parts(start.as_ptr(), length) })
    }
}

impl<'call, T: Element> Argument<'call> for &'call mut [T] {
    fn from_passed(passed: Passed<'call>) -> Result<Self> {
        let (start, length) = memory(passed)?;
        // SAFETY: as above. The arrays of a call do not overlap (see `lib.rs`).
        Ok(unsafe { slice::from_raw_parts_mut(start.as_ptr(), length) })
    }
}

impl<'call, T: 'static> Argument<'call> for &'call External<T> {
    fn from_passed(passed: Passed<'call>) -> Result<Self> {
        // SAFETY: a value of this call; the conversion checks the tag of its type. JavaScript keeps
        // the external alive for the call, and only shared borrows of it are made.
        unsafe { External::from_napi_ref(passed.env, passed.value) }
    }
}

/// # Safety
///
/// On the JavaScript thread, inside of a callback.
unsafe fn throw(env: sys::napi_env, error: &napi::Error) -> sys::napi_status {
    let message = format!("{}\0", error.reason.replace('\0', ""));
    // SAFETY: the message ends in NUL, and Node-API copies it.
    unsafe { sys::napi_throw_error(env, ptr::null(), message.as_ptr().cast()) }
}
