//! What this binary is: its selector, its capabilities and its versions.

use ioloop::reactor;
use napi_derive::napi;

/// Versions of the parts of the binary.
#[napi(object)]
pub struct NativeVersions {
    /// The core and the binding: that of the package which it was built for.
    pub core: String,
    /// The crate mio.
    pub mio: String,
    /// The crate napi.
    pub napi: String,
}

/// The versions of the parts of the binary.
#[napi]
#[must_use]
pub fn versions() -> NativeVersions {
    NativeVersions {
        core: env!("CARGO_PKG_VERSION").into(),
        mio: env!("VERSION_OF_mio").into(),
        napi: env!("VERSION_OF_napi").into(),
    }
}

/// The system call that readiness comes from: `epoll`, `kqueue` or `poll`.
#[napi]
#[must_use]
pub fn backend() -> &'static str {
    reactor::backend()
}

/// True if exceptional conditions can be watched: TCP urgent data, changes in sysfs.
#[napi]
pub const HAS_PRIORITY: bool = reactor::HAS_PRIORITY;

/// True if the selector is a descriptor, which the libuv driver can watch.
#[napi]
pub const HAS_DESCRIPTOR: bool = reactor::HAS_DESCRIPTOR;

/// True if an edge-triggered source is reported with each change. If not, it is reported once, and
/// again after `loopRearm`.
#[napi]
pub const HAS_EDGES: bool = reactor::HAS_EDGES;
