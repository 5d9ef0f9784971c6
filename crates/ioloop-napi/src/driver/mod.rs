//! Who wakes the JavaScript thread when the loop's set has something to collect.
//!
//! A driver exists while its loop runs, holds the callback and keeps Node's loop alive; dropping
//! it ends all three.

mod libuv;
mod thread;

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
    Libuv(#[expect(dead_code, reason = "held for its drop")] libuv::Watch),
    Thread(thread::Watch),
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
    /// Watches `set` and calls `wake` on the JavaScript thread while it is readable.
    pub(crate) fn start(
        kind: Kind,
        env: Env,
        set: RawFd,
        wake: &Function<'_, (), ()>,
    ) -> napi::Result<Self> {
        Ok(match kind {
            Kind::Libuv => Self::Libuv(libuv::Watch::start(env, set, wake)?),
            Kind::Thread => Self::Thread(thread::Watch::start(set, wake)?),
        })
    }

    /// The turn is over: watch again. libuv never stopped.
    pub(crate) fn rearm(&self) {
        if let Self::Thread(watch) = self {
            watch.rearm();
        }
    }
}
