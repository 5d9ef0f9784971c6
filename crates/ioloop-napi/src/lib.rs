//! The binding: converts between JavaScript and the core, and drives the core from Node's loop.
//! It decides nothing.
//!
//! # Boundary
//!
//! - Everything here runs on the JavaScript thread, except the thread of `driver/thread.rs`.
//! - Functions answer with an `i32`: 0 or more is the result, less is a negative `errno`. Nothing
//!   is thrown for what the operating system says; `ts/support/errors.ts` makes the error.
//! - Typed arrays are lent for the length of one call. No memory of theirs is kept.
//! - Panics are caught where a function may panic, and thrown as errors.
//!
//! `unsafe` stands in `fd.rs`, where descriptor numbers are adopted, in `driver/libuv.rs`, and in
//! `hot.rs`.
#![deny(unsafe_code)]
// `#[napi]` owns the values that JavaScript hands over.
#![expect(
    clippy::needless_pass_by_value,
    reason = "arguments arrive by value over Node-API"
)]
#![expect(unreachable_pub, reason = "JavaScript reaches what no crate can")]

mod batch;
mod driver;
mod fd;
mod hot;
mod native_loop;
mod owned;
mod receive;
mod socket;
mod transfer;

use napi::bindgen_prelude::{Env, Object, Result};
use napi_derive::napi;

/// Runs in each environment that loads the module: the main thread's, and each worker's.
///
/// # Errors
///
/// Of Node-API, when it runs out of memory; the module is then not loaded.
#[napi(module_exports)]
pub fn load(exports: Object<'_>, env: Env) -> Result<()> {
    hot::replace(&exports, env)
}
