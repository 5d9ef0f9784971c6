//! The binding: converts between JavaScript and the core, and drives the core from Node's loop. It
//! decides nothing.
//!
//! # Contracts
//!
//! - Everything runs on the JavaScript thread, except the threads of `driver/thread*.rs` and
//!   `watchdog/mod.rs`. Other JavaScript threads reach a loop by `remote/`.
//! - Functions return an `i32`: 0 or more is the result, less is a negative `errno` (`errno.rs`).
//!   They throw for bugs only: wrong types, panics. `ts/support/errors.ts` makes the errors.
//! - A typed array is borrowed for one call. No pointer into it is kept.
//! - The arrays of one call do not overlap: each is a buffer of its own in `ts/boundary`.
//!
//! # Exports
//!
//! What JavaScript calls once per message, connection or turn is a `glue!` (`glue.rs`); all else is
//! `#[napi]`. Both stand at the function itself.
//!
//! # Flavours
//!
//! The build script of the core chooses `cfg(selector = …)`. Where it is `none` (WebAssembly,
//! Windows), what needs descriptors is not exported: `capabilities.rs` says so to JavaScript.
//!
//! `unsafe` stands in `glue.rs`, `fd.rs`, `driver/libuv.rs`, `uv/`, `remote/memory.rs`, `memory.rs`, and
//! in `pulse.rs`, `probe.rs`, `facts.rs` and `v8.rs` of `watchdog/`.
#![deny(unsafe_code)]
// `#[napi]` owns the values that JavaScript passes.
#![expect(
    clippy::needless_pass_by_value,
    reason = "arguments arrive by value over Node-API"
)]
#![expect(
    unreachable_pub,
    reason = "the exports are for JavaScript, not for crates"
)]

mod glue;

mod busy_polls;
mod capabilities;
mod errno;
mod facts;
mod native_loop;
mod readiness;
mod turn;

// What differs where the core has no selector.

#[cfg(not(selector = "none"))]
mod detached;
#[cfg_attr(selector = "none", path = "driver/host.rs")]
mod driver;
#[cfg_attr(selector = "none", path = "no_fd.rs")]
mod fd;
#[cfg(not(selector = "none"))]
mod io;
#[cfg(target_family = "wasm")]
mod memory;
#[cfg(not(selector = "none"))]
mod owned;
#[cfg_attr(
    not(any(target_os = "linux", target_os = "android")),
    path = "no_passages.rs"
)]
mod passages;
#[cfg(not(selector = "none"))]
mod registration;
#[cfg_attr(selector = "none", path = "no_remote.rs")]
mod remote;
#[cfg(not(selector = "none"))]
mod symbols;
#[cfg(not(selector = "none"))]
mod uv;
#[cfg(not(selector = "none"))]
mod watchdog;
