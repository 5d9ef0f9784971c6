//! What this binary is: its selector and its versions.

use ioloop::reactor;
use napi_derive::napi;

/// Versions of the parts of the binary.
#[napi(object)]
pub struct NativeVersions {
    /// The core and the binding: that of the package which it was built for.
    pub core: String,
    /// The crate mio, if the binary has a selector.
    pub mio: Option<String>,
    /// The crate napi.
    pub napi: String,
}

/// The versions of the parts of the binary.
#[napi]
#[must_use]
pub fn versions() -> NativeVersions {
    NativeVersions {
        core: env!("CARGO_PKG_VERSION").into(),
        mio: cfg!(not(selector = "none")).then(|| env!("VERSION_OF_mio").into()),
        napi: env!("VERSION_OF_napi").into(),
    }
}

/// The system call that readiness comes from: `epoll`, `kqueue` or `poll`. Without descriptors, `wasm`
/// or `host`.
#[napi]
#[must_use]
pub fn backend() -> &'static str {
    reactor::backend()
}
