//! Who wakes the JavaScript thread when the loop's set has something to collect.
//!
//! A driver exists while its loop runs, holds the callback and keeps Node's loop alive; dropping
//! it ends all three.

mod libuv;
mod thread;

use std::io;
use std::os::fd::RawFd;

use napi::bindgen_prelude::{Env, Function};

/// Which driver a loop uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Libuv,
    Thread,
}

/// A driver at work.
pub(crate) enum Driver {
    Libuv(libuv::Watch),
    Thread(thread::Watch),
}

/// Why a driver could not start.
pub(crate) enum Failure {
    /// What the operating system said; positive.
    Errno(i32),
    /// Anything else, to be thrown.
    Other(napi::Error),
}

impl Kind {
    /// From the name that JavaScript uses.
    pub(crate) fn parse(name: &str) -> napi::Result<Self> {
        match name {
            "libuv" => Ok(Self::Libuv),
            "thread" => Ok(Self::Thread),
            _ => Err(napi::Error::from_reason(format!(
                "no driver is called {name:?}"
            ))),
        }
    }
}

impl Driver {
    /// Watches the set that `set` gives, and calls `wake` on the JavaScript thread while it is
    /// readable. **JavaScript runs in this call**, before `set` is called: the `init` hooks of
    /// `async_hooks`, which may do anything to the loop. From `set` on none runs.
    pub(crate) fn start(
        kind: Kind,
        env: Env,
        wake: &Function<'_, (), ()>,
        set: impl FnOnce() -> Option<RawFd>,
    ) -> Result<Self, Failure> {
        Ok(match kind {
            Kind::Libuv => Self::Libuv(libuv::Watch::start(env, wake, set)?),
            Kind::Thread => Self::Thread(thread::Watch::start(wake, set)?),
        })
    }

    /// Watches `set` instead. On an error the old one is watched still.
    pub(crate) fn move_to(&mut self, set: RawFd) -> io::Result<()> {
        match self {
            Self::Libuv(watch) => watch.move_to(set),
            Self::Thread(watch) => watch.move_to(set),
        }
    }

    /// The turn is over: watch again. libuv stops only when it is [parked](Self::park).
    pub(crate) fn rearm(&self) {
        match self {
            Self::Libuv(watch) => watch.rearm(),
            Self::Thread(watch) => watch.rearm(),
        }
    }

    /// Calls no more until it is rearmed: for a set that is readable and cannot be collected now.
    /// Node's loop is not kept alive meanwhile. The thread parks itself with each call.
    pub(crate) fn park(&self) {
        if let Self::Libuv(watch) = self {
            watch.park();
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Errno(error.raw_os_error().unwrap_or(EIO))
    }
}

impl From<napi::Error> for Failure {
    fn from(error: napi::Error) -> Self {
        Self::Other(error)
    }
}

const EIO: i32 = rustix::io::Errno::IO.raw_os_error();
