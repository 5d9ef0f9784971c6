//! Drivers: they wake the JavaScript thread when the loop's selector has something to collect.
//!
//! A driver exists while its loop runs. It holds the callback and keeps Node's loop alive; dropping
//! it ends both.
//!
//! | Driver | Waits in | For |
//! | --- | --- | --- |
//! | `libuv` | Node's own poll phase | Node |
//! | `thread` | a thread of its own: `thread_epoll.rs`, and `thread.rs` for other selectors | hosts without a usable libuv |
//!
//! | State | Calls `wake` | Until |
//! | --- | --- | --- |
//! | armed | while the selector is readable, or outdated | parked; the thread parks itself with each call |
//! | parked | never | rearmed |

mod libuv;
#[cfg_attr(selector = "epoll", path = "thread_epoll.rs")]
mod thread;
mod waking;

use std::rc::Rc;
use std::time::Duration;

use ioloop::reactor::{HAS_DESCRIPTOR, WaitSet};
use napi::bindgen_prelude::{Env, Function};
use rustix::io::Errno;

use crate::busy_polls::BusyPolls;
use crate::errno::Failure;
use crate::native_loop::LoopRef;

/// The kinds of drivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Libuv,
    Thread,
}

/// A running driver.
pub(crate) enum Driver {
    Libuv(libuv::Watch),
    Thread(thread::Watch),
}

impl Kind {
    /// The kind of a name of JavaScript's.
    pub(crate) fn parse(name: &str) -> napi::Result<Self> {
        match name {
            "libuv" if HAS_DESCRIPTOR => Ok(Self::Libuv),
            "thread" => Ok(Self::Thread),
            _ => Err(napi::Error::from_reason(format!(
                "no driver is called {name:?}"
            ))),
        }
    }
}

impl Driver {
    /// Watches the selector that `selector` returns, and calls `wake` on the JavaScript thread while
    /// it is readable. The libuv driver polls for up to `busy_poll` after events, before it sleeps. It
    /// moves the bytes of the passages of `core` first, and calls `wake` if anything else is ready.
    ///
    /// **JavaScript runs in this call**, before `selector` is called: the `init` hooks of
    /// `async_hooks`, which may do anything to the loop. None runs after that.
    ///
    /// # Errors
    ///
    /// `EBADF` if `selector` returns `None`, and errors of libuv, of Node-API and of the system.
    pub(crate) fn start(
        kind: Kind,
        env: Env,
        wake: &Function<'_, (), ()>,
        selector: impl FnOnce() -> Option<WaitSet>,
        busy_poll: Duration,
        busy_polls: Rc<BusyPolls>,
        core: LoopRef,
    ) -> Result<Self, Failure> {
        Ok(match kind {
            Kind::Libuv => {
                let selector = || descriptor(&selector()?).ok();
                let watch = libuv::Watch::start(env, wake, selector, busy_poll, busy_polls, core)?;
                Self::Libuv(watch)
            }
            Kind::Thread => Self::Thread(thread::Watch::start(wake, selector)?),
        })
    }

    /// Watches another selector. On an error, the old one is still watched.
    pub(crate) fn move_to(&mut self, selector: WaitSet) -> std::io::Result<()> {
        match self {
            Self::Libuv(watch) => watch.move_to(descriptor(&selector)?),
            Self::Thread(watch) => watch.move_to(selector),
        }
    }

    /// A turn had events: more of them may come soon. The thread driver has two threads to wake, of
    /// which only its own could poll, on a core of its own: it sleeps.
    #[inline]
    pub(crate) fn expect_events(&self) {
        if let Self::Libuv(watch) = self {
            watch.expect_events();
        }
    }

    /// A turn has cut passages: the driver goes on with them, after the host's loop has served the rest.
    /// False if the next turn has to, as with the thread driver.
    pub(crate) fn look_again(&self) -> bool {
        match self {
            Self::Libuv(watch) => watch.look_again(),
            Self::Thread(_) => false,
        }
    }

    /// Watches again after a turn. The libuv driver has stopped only if it was
    /// [parked](Self::park).
    pub(crate) fn rearm(&self) {
        match self {
            Self::Libuv(watch) => watch.rearm(),
            Self::Thread(watch) => watch.rearm(),
        }
    }

    /// The wait set has changed, outside of a turn: a driver that waits for a copy of it wakes the
    /// loop, whose turn gives it the new one.
    pub(crate) fn outdate(&self) {
        if let Self::Thread(watch) = self {
            watch.outdate();
        }
    }

    /// Stops the calls until [`rearm`](Self::rearm): for a selector that is readable and cannot be
    /// collected. Does not keep Node's loop alive meanwhile. The thread driver is parked in a turn
    /// anyway.
    pub(crate) fn park(&self) {
        if let Self::Libuv(watch) = self {
            watch.park();
        }
    }
}

/// The selector as a descriptor, which the libuv driver needs: [`Kind::parse`] refuses it otherwise.
fn descriptor(selector: &WaitSet) -> std::io::Result<std::os::fd::RawFd> {
    selector.descriptor().ok_or(Errno::BADF.into())
}
