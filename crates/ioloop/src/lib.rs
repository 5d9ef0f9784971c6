//! The core of the `ioloop` npm package: an event loop that knows nothing of JavaScript.
//!
//! # Terminology
//!
//! - **turn**: one pass of the loop ([`EventLoop::turn`]).
//! - **tick**: the unit of the timer wheel, one nanosecond ([`timer`]).
//! - **source**: anything with a file descriptor that can be registered ([`reactor`]).
//! - **interest** / **readiness**: what one asks to be told about / what is possible now.
//! - **token**: names a registration; carries a generation, so a stale one is harmless.
//! - **drain**: repeat an operation until it would block.
//! - **post**: hand a command to the loop from another thread ([`LoopHandle`]).
//!
//! Time is an argument everywhere: only [`clock`] reads one.
#![forbid(unsafe_code)]

pub mod clock;
mod error;
pub mod event_loop;
pub mod net;
pub mod reactor;
pub mod remote;
pub mod timer;

pub use error::{Error, Result};
pub use event_loop::{EventLoop, Turn};
pub use remote::LoopHandle;
