//! The reactor of a core without a selector: it watches nothing, and refuses registrations. The host
//! begins a turn when it has work, and at [`next_wake`](crate::EventLoop::next_wake).

#![allow(
    clippy::unused_self,
    clippy::unnecessary_wraps,
    reason = "the signatures are those of a reactor with a selector"
)]

mod interest;
mod no_alarm;
mod signals;

use std::io;
use std::marker::PhantomData;
use std::time::Duration;

pub use interest::{HAS_PRIORITY, Interest, Readiness};
pub(crate) use no_alarm::Alarm;
pub(crate) use signals::Signals;

use crate::remote::Wake;
use crate::{Error, Result};

/// What a registration would be made of. Every registration is refused.
pub trait Source {}

impl<T> Source for T {}

/// Names a registration. It has no values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Token {}

impl Token {
    /// The index of the registration.
    #[must_use]
    pub const fn index(self) -> u32 {
        match self {}
    }
}

/// The readiness of one source. It has no values, as no token exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The registration.
    pub token: Token,
    /// The possible operations within its interest.
    pub readiness: Readiness,
}

/// No registrations.
pub struct Reactor<S> {
    sources: PhantomData<S>,
    selector: Selector,
}

impl<S> Reactor<S> {
    pub(crate) fn new(_event_budget: usize) -> io::Result<Self> {
        Ok(Self {
            sources: PhantomData,
            selector: Selector,
        })
    }

    pub(crate) fn turn(&mut self, _max_wait: Option<Duration>, events: &mut Vec<Event>) -> Signals {
        events.clear();
        Signals::default()
    }

    pub(crate) fn rebuild(
        &mut self,
        _enter: impl FnOnce(&mut Selector) -> io::Result<()>,
        _watch: impl FnOnce(WaitSet) -> io::Result<()>,
    ) -> Result<()> {
        Ok(())
    }

    pub(crate) fn selector(&mut self) -> &mut Selector {
        &mut self.selector
    }

    /// Refuses.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`].
    pub fn register(&mut self, _source: S, _interest: Interest) -> Result<Token> {
        Err(Error::Unsupported)
    }

    /// The token of a registration: always `None`.
    #[must_use]
    pub fn token_at(&self, _index: u32) -> Option<Token> {
        None
    }

    /// Cannot be called, as no token exists.
    pub fn drained(&mut self, token: Token, _readiness: Readiness) {
        match token {}
    }

    /// Cannot be called, as no token exists.
    #[must_use]
    pub fn source(&self, token: Token) -> Option<&S> {
        match token {}
    }

    /// The number of registrations: 0.
    #[must_use]
    pub fn len(&self) -> usize {
        0
    }

    /// Whether there are no registrations.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        true
    }

    /// Whether the selector has to be replaced: never.
    #[must_use]
    pub fn needs_rebuild(&self) -> bool {
        false
    }

    /// How often the selector was replaced: never.
    #[must_use]
    pub fn rebuilds(&self) -> u32 {
        0
    }

    /// No registration is stale.
    #[must_use]
    pub fn has_stale(&self) -> bool {
        false
    }

    /// An empty set.
    pub fn wait_set(&mut self) -> WaitSet {
        WaitSet
    }

    /// Whether the set has changed: never.
    #[must_use]
    pub fn wait_set_changed(&self) -> bool {
        false
    }
}

/// The set of descriptors to wait for: empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitSet;

pub(crate) struct Selector;

impl Selector {
    pub(crate) fn waker(&mut self) -> io::Result<Waker> {
        Ok(Waker)
    }
}

/// The waker of a loop that waits in its host: a post is collected by the next turn.
#[derive(Debug)]
pub struct Waker;

impl Wake for Waker {
    fn wake(&self) -> io::Result<()> {
        Ok(())
    }
}

/// The host that begins the turns, in the place of a system call: `wasm` for a module of
/// WebAssembly, else `host`.
#[must_use]
pub const fn backend() -> &'static str {
    if cfg!(target_family = "wasm") {
        "wasm"
    } else {
        "host"
    }
}

pub(crate) const REBUILDS: bool = false;

/// Whether a host's loop can watch the selector by its descriptor.
pub const HAS_DESCRIPTOR: bool = false;

/// Whether changes of readiness are reported.
pub const HAS_EDGES: bool = false;

/// Events of one turn: none.
pub const EVENT_BUDGET: usize = 1;
