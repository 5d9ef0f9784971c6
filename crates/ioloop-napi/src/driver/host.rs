//! The driver of a loop that its host drives: JavaScript begins a turn when it has work, and by a
//! timer at the next deadline (`ts/loop/sleep.ts`). Nothing is watched, so `wake` is never called.

#![allow(
    clippy::unused_self,
    clippy::unnecessary_wraps,
    reason = "the signatures are those of drivers that watch"
)]

use std::io;
use std::rc::Rc;
use std::time::Duration;

use ioloop::reactor::WaitSet;
use napi::bindgen_prelude::{Env, Function};

use crate::busy_polls::BusyPolls;
use crate::errno::Failure;
use crate::native_loop::LoopRef;

/// The kind of driver that there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Host,
}

/// A running driver.
pub(crate) struct Driver;

impl Kind {
    /// The kind of a name of JavaScript's.
    pub(crate) fn parse(name: &str) -> napi::Result<Self> {
        if name == "host" {
            return Ok(Self::Host);
        }
        Err(napi::Error::from_reason(format!(
            "no driver is called {name:?}"
        )))
    }
}

impl Driver {
    /// Checks that the loop is open, and watches nothing.
    ///
    /// # Errors
    ///
    /// `EBADF` if `selector` returns `None`.
    pub(crate) fn start(
        Kind::Host: Kind,
        _env: Env,
        _wake: &Function<'_, (), ()>,
        selector: impl FnOnce() -> Option<WaitSet>,
        _busy_poll: Duration,
        _busy_polls: Rc<BusyPolls>,
        _core: LoopRef,
    ) -> Result<Self, Failure> {
        let watched = selector().ok_or(Failure::Errno(ioloop::errno::BADF));
        watched.map(|_| Self)
    }

    pub(crate) fn move_to(&mut self, _selector: WaitSet) -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn expect_events(&self) {}

    pub(crate) fn look_again(&self) -> bool {
        false
    }

    pub(crate) fn rearm(&self) {}

    pub(crate) fn outdate(&self) {}

    pub(crate) fn park(&self) {}
}
