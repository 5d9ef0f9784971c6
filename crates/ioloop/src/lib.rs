//! The core of the `ioloop` npm package: an event loop that does not depend on JavaScript.
//!
//! # Terminology
//!
//! - **turn**: one pass of the loop ([`EventLoop::turn`]).
//! - **tick**: the unit of the timer wheel, one nanosecond ([`timer`]).
//! - **source**: a file descriptor that can be registered ([`reactor`]).
//! - **interest**, **readiness**: the operations that an owner waits for; those that are possible.
//! - **token**: the name of a registration. Its generation makes a stale token harmless.
//! - **drain**: repeat an operation until it would block.
//! - **post**: hand a command to the loop from another thread ([`LoopHandle`]).
//!
//! Time is an argument everywhere: the core reads no clock.
//!
//! # Flavours
//!
//! `build.rs` chooses the selector of the target. Where there is none (WebAssembly, Windows), the
//! reactor watches nothing and [`net`] is missing; wheel, lanes and inbox are the same.
#![forbid(unsafe_code)]

pub mod clock;
pub mod errno;
mod error;
pub mod event_loop;
pub mod lane;
#[cfg(not(selector = "none"))]
pub mod net;
#[cfg_attr(selector = "none", path = "reactor/none.rs")]
pub mod reactor;
pub mod remote;
pub mod timer;
pub mod watchdog;

pub use error::{Error, Result};
pub use event_loop::{EventLoop, Turn};
pub use lane::Lane;
pub use remote::LoopHandle;
