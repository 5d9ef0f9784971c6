//! Readiness of file descriptors, level-triggered, over mio's edge-triggered `Poll`.
//!
//! A source with [`Interest::EDGE`] is reported once per change, as mio does it. Its owner keeps the
//! readiness and repeats the operation until it would block.
//!
//! # Ordering
//!
//! A turn reports each source at most once, with all readiness that it found. The order of sources
//! is unspecified.
//!
//! # Stale registrations
//!
//! The kernel removes a registration when the last descriptor of its open file is closed, and
//! reports no event for that. If a copy remains (`dup(2)`, a child process), the registration
//! remains too, and reports events of a file whose number may belong to another file by now.
//! Therefore:
//!
//! - Registering a number replaces a stale registration of that number.
//! - A source on the ready list is verified before it is reported.
//! - After [`verify`](Reactor::verify), every report of a source is verified by its [`Identity`].
//! - A registration found stale is removed, and reported once as [`Readiness::STALE`].
//! - Events of removed registrations are counted. After a few of them the selector
//!   [needs a rebuild](Reactor::needs_rebuild).

mod alarm;
mod by_fd;
mod collect;
mod entry;
mod identity;
mod interest;
#[cfg(not(all(any(target_os = "linux", target_os = "android"), selector = "epoll")))]
mod no_alarm;
mod poll_flags;
mod ready_list;
mod rebuild;
mod selector;
mod signals;
mod stale;
mod token;

use std::io;
/// What can be registered: a file descriptor.
pub use std::os::fd::AsFd as Source;
use std::os::fd::{AsFd, AsRawFd};

use slab::Slab;

pub(crate) use alarm::Alarm;
use by_fd::ByFd;
use entry::{Entry, live};
pub use identity::Identity;
pub use interest::{HAS_PRIORITY, Interest, Readiness};
use ready_list::ReadyList;
pub use selector::{HAS_DESCRIPTOR, HAS_EDGES, WaitSet, Waker, backend};
pub(crate) use selector::{REBUILDS, Selector};
use selector::{VERIFIES, is_gone};
pub(crate) use signals::Signals;
pub use token::Token;
pub(crate) use token::{ALARM, WAKE};

use crate::{Error, Result};

/// The readiness of one source in one turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The registration.
    pub token: Token,
    /// The possible operations within its interest.
    pub readiness: Readiness,
}

/// The registrations of an [`EventLoop`](crate::EventLoop), and the selector that watches them.
/// Belongs to one thread.
pub struct Reactor<S> {
    selector: Selector,
    event_budget: usize,
    entries: Slab<Entry<S>>,
    /// Indices of `entries`: one registration per number.
    by_fd: ByFd,
    ready: ReadyList,
    next_generation: u32,
    /// Events of removed registrations since the last rebuild.
    stale_events: u32,
    rebuilds: u32,
    /// A registration was removed from `entries` and not from the selector, where it may still
    /// report.
    may_hold_stale: bool,
    /// Removed as stale, and not reported yet.
    stale: Vec<Token>,
}

impl<S: AsFd> Reactor<S> {
    /// An empty reactor. One turn takes at most `event_budget` events, at least 1.
    ///
    /// # Errors
    ///
    /// Of `epoll_create1(2)` or `kqueue(2)`, usually `EMFILE`.
    pub(crate) fn new(event_budget: usize) -> io::Result<Self> {
        Ok(Self {
            selector: Selector::new(event_budget)?,
            event_budget,
            entries: Slab::new(),
            by_fd: ByFd::default(),
            ready: ReadyList::default(),
            next_generation: 0,
            stale_events: 0,
            rebuilds: 0,
            may_hold_stale: false,
            stale: Vec::new(),
        })
    }

    /// Starts to watch `source`. The next turn reports operations that are already possible.
    ///
    /// # Errors
    ///
    /// - [`Error::Registered`]: a live registration has the same number.
    /// - `EPERM`: a regular file or a directory.
    /// - `EBADF`, `EINVAL` (the reactor's own selector), `ELOOP`, `ENOSPC`, `ENOMEM`: from
    ///   `epoll_ctl(2)`.
    ///
    /// Nothing is registered then. A stale registration of the number was removed, and is reported.
    pub fn register(&mut self, source: S, interest: Interest) -> Result<Token> {
        let replaced = self.replace_stale(source.as_fd().as_raw_fd())?;
        let registered = self.insert(source, interest);
        if registered.is_err() {
            self.stale.extend(replaced);
        }
        registered
    }

    fn insert(&mut self, source: S, interest: Interest) -> Result<Token> {
        let fd = source.as_fd().as_raw_fd();
        if self.entries.len() == self.entries.capacity() {
            self.entries.reserve_exact(more(self.entries.len()));
        }
        let slot = self.entries.vacant_entry();
        let index = u32::try_from(slot.key())
            .ok()
            .filter(|&index| index <= token::MAX_INDEX);
        let index = index.ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))?;
        let token = Token::new(index, self.next_generation);
        let identity = if VERIFIES {
            None
        } else {
            Some(Box::new(Identity::of(&source)?))
        };
        let added = self.selector.add(&source, token, interest)?;
        slot.insert(Entry {
            source,
            interest,
            generation: token.generation(),
            identity,
            slot: added,
            pending: Readiness::empty(),
            listed: false,
            collected: 0,
        });
        self.by_fd.insert(fd, index);
        self.advance_generation();
        Ok(token)
    }

    /// Changes the interest. The next turn reports operations that are possible within the new one.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] if the token is stale, or its descriptor was closed; the registration is
    /// removed then. Else of `epoll_ctl(2)`; the registration is unchanged then.
    pub fn reregister(&mut self, token: Token, interest: Interest) -> Result<()> {
        if !VERIFIES && self.source(token).is_some() && !self.is_registered(token)? {
            // kqueue would add the other file.
            self.remove(token);
        }
        let Some(entry) = live(&mut self.entries, token) else {
            return Err(Error::Unknown);
        };
        match self.selector.change(entry, token, interest) {
            Ok(()) => {
                entry.interest = interest;
                Ok(())
            }
            Err(error) if is_gone(&error) => {
                self.remove(token);
                Err(Error::Unknown)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Stops watching and returns the source; `None` for a stale token. Never fails: the kernel has
    /// already removed a descriptor that was closed.
    pub fn deregister(&mut self, token: Token) -> Option<S> {
        let may_hold_stale = self.may_hold_stale;
        let entry = self.remove(token)?;
        let is_out = self.selector.remove(&entry);
        self.may_hold_stale = may_hold_stale || !is_out;
        Some(entry.source)
    }

    /// Marks a source as drained for `readiness`: its operation would have blocked since the last
    /// report, or a short read proved as much. The next change is reported as usual. A
    /// level-triggered source that is not drained is rechecked in each turn. Ignores a stale token.
    ///
    /// An edge-triggered source needs this only where the selector has no edges ([`HAS_EDGES`]).
    pub fn drained(&mut self, token: Token, readiness: Readiness) {
        if let Some(entry) = live(&mut self.entries, token) {
            let drainable = Readiness::READABLE | Readiness::WRITABLE;
            entry.pending = entry.pending.difference(readiness & drainable);
            self.selector.rearm(entry, readiness);
        }
    }

    /// The source of a registration; `None` for a stale token.
    #[must_use]
    pub fn source(&self, token: Token) -> Option<&S> {
        self.entry(token).map(|entry| &entry.source)
    }

    /// The token of the live registration at `index`, for owners that name registrations by their
    /// index alone.
    #[must_use]
    pub fn token_at(&self, index: u32) -> Option<Token> {
        let entry = self.entries.get(index as usize)?;
        Some(entry.token(index as usize))
    }

    /// The number of registrations.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no registrations.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What to wait for until something is ready. Without [`HAS_DESCRIPTOR`] it is a copy: take it
    /// again when it [has changed](Self::wait_set_changed).
    pub fn wait_set(&mut self) -> WaitSet {
        self.selector.wait_set(&self.entries)
    }

    /// Whether [`wait_set`](Self::wait_set) is another one than at its last call.
    #[must_use]
    pub fn wait_set_changed(&self) -> bool {
        self.selector.has_changed()
    }

    pub(crate) fn selector(&mut self) -> &mut Selector {
        &mut self.selector
    }

    fn entry(&self, token: Token) -> Option<&Entry<S>> {
        self.entries
            .get(token.index() as usize)
            .filter(|entry| entry.generation == token.generation())
    }

    /// Removes a registration here, and not from the selector.
    fn remove(&mut self, token: Token) -> Option<Entry<S>> {
        live(&mut self.entries, token)?;
        let entry = self.entries.remove(token.index() as usize);
        self.by_fd.remove(entry.source.as_fd().as_raw_fd());
        self.may_hold_stale = true;
        self.selector.forget();
        Some(entry)
    }
}

#[cfg(not(selector = "poll"))]
impl<S> AsRawFd for Reactor<S> {
    /// The selector, which is readable while it holds events. Sources on the ready list do not make
    /// it readable.
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.selector.as_raw_fd()
    }
}

/// The room to add to a full table of `len` entries: fifteen times as much. What is not written to is not
/// resident, while each growth leaves a hole of the old size in the heap.
fn more(len: usize) -> usize {
    15 * len.max(FIRST_ENTRIES)
}

const FIRST_ENTRIES: usize = 16;

/// Default of [`Budgets::events`](crate::event_loop::Budgets::events). Further events stay in the
/// selector, which stays readable, or on the ready list.
pub const EVENT_BUDGET: usize = 1024;
