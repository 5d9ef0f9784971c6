//! What this binary can do. `ts/boundary/capabilities.ts` reads it: all that depends on it, there and
//! in the tests, asks there. What it cannot do is not exported.

use ioloop::reactor;
use napi_derive::napi;

/// The capabilities of a binary.
#[napi(object)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a table of independent facts"
)]
pub struct Capabilities {
    /// Descriptors can be watched and used: handlers, streams, sockets of the core.
    pub descriptors: bool,
    /// Exceptional conditions can be watched: TCP urgent data, changes in sysfs.
    pub priority: bool,
    /// The selector is a descriptor, which the libuv driver can watch.
    pub selector_descriptor: bool,
    /// An edge-triggered source is reported with each change. If not, it is reported once, and again
    /// after `loopRearm`.
    pub edges: bool,
    /// The selector wakes at a deadline. If not, a timer of the host does, in whole milliseconds.
    pub alarm: bool,
    /// Other threads can call a loop, and descriptors move between threads.
    pub threads: bool,
    /// A thread can watch whether a loop is blocked.
    pub watchdog: bool,
    /// Bytes move between sockets without passing the memory of the process.
    pub splice: bool,
    /// The memory of the binary is not JavaScript's: arrays are copied (`memory.rs`).
    pub separate_memory: bool,
}

/// The capabilities of this binary.
#[napi]
#[must_use]
pub fn capabilities() -> Capabilities {
    let has_selector = cfg!(not(selector = "none"));
    Capabilities {
        descriptors: has_selector,
        priority: has_selector && reactor::HAS_PRIORITY,
        selector_descriptor: reactor::HAS_DESCRIPTOR,
        edges: reactor::HAS_EDGES,
        alarm: ioloop::event_loop::HAS_ALARM,
        threads: has_selector,
        watchdog: has_selector,
        splice: has_splice(),
        separate_memory: cfg!(target_family = "wasm"),
    }
}

#[cfg(not(selector = "none"))]
const fn has_splice() -> bool {
    ioloop::net::HAS_SPLICE
}

#[cfg(selector = "none")]
const fn has_splice() -> bool {
    false
}
