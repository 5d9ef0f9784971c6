//! Readiness of file descriptors, level-triggered, over mio's edge-triggered `Poll`.
//!
//! A source with [`Interest::EDGE`] is reported as mio does it, once per change: for owners that
//! keep the readiness, and read on until the operation would block.
//!
//! # Ordering
//!
//! One [`poll`](Reactor::poll) reports a source at most once, with everything it found. The order
//! among sources is not promised.
//!
//! # Closed descriptors
//!
//! The kernel forgets a descriptor when the last copy of it is closed, without an event. A number
//! that was closed may be another file's, while the description lives on elsewhere (`dup(2)`, a
//! child process) and keeps reporting to its registration. Therefore:
//!
//! - Registering the number again replaces the stale registration.
//! - A source found ready on the ready list is verified before it is reported.
//! - After [`verify`](Reactor::verify), every other report of the source is verified too, by its
//!   [`Identity`].
//! - A registration that turns out to be stale is removed, and reported once as
//!   [`Readiness::STALE`].
//! - Reports to a token that is gone are counted; after a few of them the epoll set
//!   [needs a rebuild](Reactor::needs_rebuild).

mod alarm;
mod identity;
mod interest;
mod ready_list;
mod stale;
mod token;

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::Duration;

use mio::unix::SourceFd;
use slab::Slab;

pub(crate) use alarm::Alarm;
pub use identity::Identity;
pub use interest::{HAS_PRIORITY, Interest, Readiness};
use ready_list::ReadyList;
use stale::{SELECTOR_VERIFIES, STALE_EVENT_LIMIT};
pub use token::Token;
pub(crate) use token::{ALARM, WAKE};

use crate::{Error, Result};

/// The readiness of one source, as one poll found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The registration.
    pub token: Token,
    /// What is possible, within its interest.
    pub readiness: Readiness,
}

/// Registrations and the set that the kernel watches. Belongs to one thread.
pub struct Reactor<S> {
    poll: mio::Poll,
    events: mio::Events,
    event_budget: usize,
    entries: Slab<Entry<S>>,
    /// Which entry a descriptor number belongs to: one registration per number.
    by_fd: HashMap<RawFd, u32>,
    ready: ReadyList,
    next_generation: u32,
    /// Events since the last [`rebuild`](Reactor::rebuild) for registrations that are gone.
    stale_events: u32,
    /// A registration ended without leaving the set: its description may live on in there.
    may_hold_stale: bool,
    /// Registrations that were found stale, and removed, since the last turn reported such.
    stale: Vec<Token>,
}

/// The result of a poll besides its events.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    pub(crate) alarm: bool,
    /// Sources on the ready list were not rechecked: the budget was spent, or a call failed.
    pub(crate) more: bool,
    /// The error that stopped a part of the poll. The events and the other signals are valid.
    pub(crate) failure: Option<io::Error>,
}

pub(crate) struct Entry<S> {
    source: S,
    interest: Interest,
    generation: u32,
    /// What the number stood for, if reports are to be verified.
    identity: Option<Identity>,
    /// Whether the set knows it; false only for an empty interest on systems without one.
    watched: bool,
    /// Reported and not drained since.
    pending: Readiness,
    /// Whether it is on the ready list.
    listed: bool,
    /// Where it stands in the events being collected, plus one; 0 outside a poll.
    collected: u32,
}

impl<S> Entry<S> {
    fn token(&self, index: usize) -> Token {
        Token::new(to_index(index), self.generation)
    }
}

impl<S: AsFd> Reactor<S> {
    /// An empty reactor.
    ///
    /// # Errors
    ///
    /// What `epoll_create1(2)` or `kqueue(2)` says, as a rule `EMFILE`.
    pub fn new() -> Result<Self> {
        Self::with_event_budget(EVENT_BUDGET)
    }

    /// [`new`](Self::new) with another bound than [`EVENT_BUDGET`], at least 1.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn with_event_budget(event_budget: usize) -> Result<Self> {
        Ok(Self {
            poll: mio::Poll::new()?,
            events: mio::Events::with_capacity(event_budget),
            event_budget,
            entries: Slab::new(),
            by_fd: HashMap::new(),
            ready: ReadyList::default(),
            next_generation: 0,
            stale_events: 0,
            may_hold_stale: false,
            stale: Vec::new(),
        })
    }

    /// Starts to watch `source`. What is already possible now is reported by the next poll.
    ///
    /// # Errors
    ///
    /// [`Error::Registered`] when a live registration has the same number; `EPERM` for a regular
    /// file or directory, `EBADF`, `EINVAL` (the reactor's own set), `ELOOP`, `ENOSPC`, `ENOMEM`
    /// from `epoll_ctl(2)`. Nothing is registered then.
    pub fn register(&mut self, source: S, interest: Interest) -> Result<Token> {
        let fd = source.as_fd().as_raw_fd();
        self.replace_stale(fd)?;
        let slot = self.entries.vacant_entry();
        let index = u32::try_from(slot.key())
            .ok()
            .filter(|&index| index < token::MAX_INDEX - 1);
        let index = index.ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))?;
        let token = Token::new(index, self.next_generation);
        let identity = if SELECTOR_VERIFIES {
            None
        } else {
            Some(Identity::of(&source)?)
        };
        let watched = watch(self.poll.registry(), fd, token, interest)?;
        slot.insert(Entry {
            source,
            interest,
            generation: token.generation(),
            identity,
            watched,
            pending: Readiness::EMPTY,
            listed: false,
            collected: 0,
        });
        self.by_fd.insert(fd, index);
        self.next_generation = self.next_generation.wrapping_add(1);
        if self.may_hold_stale && token::is_boundary(self.next_generation) {
            // Before a generation comes again, nothing that has the old one may be in the set.
            self.stale_events = STALE_EVENT_LIMIT;
        }
        Ok(token)
    }

    /// Changes the interest. What is possible within the new one is reported by the next poll.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] when the token is stale, or its descriptor was closed meanwhile: the
    /// registration is then gone.
    pub fn reregister(&mut self, token: Token, interest: Interest) -> Result<()> {
        if !SELECTOR_VERIFIES && self.source(token).is_some() && !self.is_registered(token)? {
            // kqueue would add the other file.
            self.remove(token);
        }
        let Some(entry) = live(&mut self.entries, token) else {
            return Err(Error::Unknown);
        };
        let fd = entry.source.as_fd().as_raw_fd();
        let registry = self.poll.registry();
        let result = match (entry.watched, interest.to_mio()) {
            (true, Some(wanted)) => registry
                .reregister(&mut SourceFd(&fd), token.to_mio(), wanted)
                .map(|()| true),
            (true, None) => registry.deregister(&mut SourceFd(&fd)).map(|()| false),
            (false, _) => watch(registry, fd, token, interest),
        };
        match result {
            Ok(watched) => {
                entry.watched = watched;
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

    /// Stops watching and gives the source back; `None` for a stale token. Never fails: a
    /// descriptor that was closed before has left the set by itself.
    pub fn deregister(&mut self, token: Token) -> Option<S> {
        let may_hold_stale = self.may_hold_stale;
        let entry = self.remove(token)?;
        let fd = entry.source.as_fd().as_raw_fd();
        // The only failures are ENOENT and EBADF: the descriptor is out of the set already, or its
        // description is there under a number that is closed.
        let left = !entry.watched || self.poll.registry().deregister(&mut SourceFd(&fd)).is_ok();
        self.may_hold_stale = may_hold_stale || !left;
        Some(entry.source)
    }

    /// The operation behind these bits has said `WouldBlock` since they were reported (or a short
    /// read on a stream showed as much): the next change will report them, no need to ask.
    pub fn drained(&mut self, token: Token, readiness: Readiness) {
        if let Some(entry) = live(&mut self.entries, token) {
            let drainable = Readiness::READABLE | Readiness::WRITABLE;
            let drained = Readiness::from_bits(readiness.bits() & drainable.bits());
            entry.pending = entry.pending.without(drained);
        }
    }

    /// Waits until something is ready, at most `max_wait` (`None`: for ever), and not at all while
    /// sources are on the ready list; then writes to `events` what is ready.
    ///
    /// # Errors
    ///
    /// Of `epoll_wait(2)`, or of `poll(2)` and `epoll_ctl(2)` both. `events` has what was found all
    /// the same; the rest is found by a later poll. A signal (`EINTR`) ends the wait without one.
    pub fn poll(&mut self, max_wait: Option<Duration>, events: &mut Vec<Event>) -> Result<()> {
        self.turn(max_wait, events)
            .failure
            .map_or(Ok(()), |error| Err(error.into()))
    }

    /// [`poll`](Self::poll), with what the reserved sources did.
    pub(crate) fn turn(&mut self, max_wait: Option<Duration>, events: &mut Vec<Event>) -> Signals {
        events.clear();
        self.ready.remove_drained(&mut self.entries);
        let wait = if self.ready.is_empty() && self.stale.is_empty() {
            max_wait
        } else {
            Some(Duration::ZERO)
        };
        let mut signals = Signals::default();
        if !self.ready.is_empty() {
            signals.failure = self.recheck(events).err();
            signals.more = !self.ready.is_empty();
        }
        if let Err(error) = self.collect(wait, events, &mut signals) {
            signals.failure.get_or_insert(error);
        }
        self.list(events);
        if !self.stale.is_empty() {
            self.report_stale(events);
        }
        signals
    }

    /// The source of a registration; `None` for a stale token.
    #[must_use]
    pub fn source(&self, token: Token) -> Option<&S> {
        self.entries
            .get(token.index() as usize)
            .filter(|entry| entry.generation == token.generation())
            .map(|entry| &entry.source)
    }

    /// The token of the live registration at `index`, for owners that name registrations by their
    /// index alone. An index is reused after its registration has ended.
    #[must_use]
    pub fn token_at(&self, index: u32) -> Option<Token> {
        let entry = self.entries.get(index as usize)?;
        Some(entry.token(index as usize))
    }

    /// How many sources are registered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no source is registered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn registry(&self) -> &mio::Registry {
        self.poll.registry()
    }

    fn recheck(&mut self, events: &mut Vec<Event>) -> io::Result<()> {
        // Lost registrations have their share of the poll.
        let budget = self.event_budget.saturating_sub(self.stale.len());
        let Ok(found) = self.ready.recheck(&mut self.entries, budget) else {
            return self.recheck_by_modify(budget);
        };
        let mut failure = None;
        for found in found {
            let Some(entry) = live(&mut self.entries, found.token) else {
                continue;
            };
            let registry = self.poll.registry();
            let current = !found.closed
                && entry
                    .is_current(registry, found.token)
                    .unwrap_or_else(|error| {
                        // It cannot be verified now: the report and the registration stand.
                        failure = Some(error);
                        true
                    });
            if current {
                report(entry, events, found.token, found.readiness);
            } else {
                self.remove_stale(found.token);
            }
        }
        failure.map_or(Ok(()), Err)
    }

    /// [`recheck`](Self::recheck) without `poll(2)`, which fails for more sources than
    /// `RLIMIT_NOFILE`, for one when the limit is 0, and without memory: changing a registration
    /// makes the set report again what is possible. A system call for each source.
    #[cold]
    fn recheck_by_modify(&mut self, budget: usize) -> io::Result<()> {
        let mut failure = None;
        for token in self.ready.take(&mut self.entries, budget) {
            let Some(entry) = live(&mut self.entries, token) else {
                continue;
            };
            let fd = entry.source.as_fd().as_raw_fd();
            let Some(interest) = entry.interest.to_mio() else {
                continue;
            };
            let registry = self.poll.registry();
            match registry.reregister(&mut SourceFd(&fd), token.to_mio(), interest) {
                Ok(()) => entry.pending = Readiness::EMPTY,
                Err(error) if is_gone(&error) => self.remove_stale(token),
                Err(error) => {
                    entry.listed = true;
                    self.ready.push(token);
                    failure = Some(error);
                }
            }
        }
        failure.map_or(Ok(()), Err)
    }

    fn collect(
        &mut self,
        wait: Option<Duration>,
        events: &mut Vec<Event>,
        signals: &mut Signals,
    ) -> io::Result<()> {
        match self.poll.poll(&mut self.events, wait) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        let mut stale = Vec::new();
        for event in &self.events {
            match event.token() {
                WAKE => {}
                ALARM => signals.alarm = true,
                name => {
                    let token = Token::from_mio(name);
                    let Some(entry) = live(&mut self.entries, token) else {
                        self.stale_events = self.stale_events.saturating_add(1);
                        continue;
                    };
                    if entry.is_stale(self.poll.registry(), token) {
                        stale.push(token);
                        continue;
                    }
                    report(entry, events, token, Readiness::from_mio(event));
                }
            }
        }
        for token in stale {
            // Its description goes on to report.
            self.stale_events = self.stale_events.saturating_add(1);
            self.remove_stale(token);
        }
        Ok(())
    }

    /// Puts what was just reported on the ready list, until it proves itself drained.
    fn list(&mut self, events: &[Event]) {
        for event in events {
            let Some(entry) = live(&mut self.entries, event.token) else {
                continue;
            };
            entry.collected = 0;
            if entry.interest.is_edge() {
                continue;
            }
            entry.pending = event.readiness;
            if !entry.listed {
                entry.listed = true;
                self.ready.push(event.token);
            }
        }
    }

    fn remove(&mut self, token: Token) -> Option<Entry<S>> {
        live(&mut self.entries, token)?;
        let entry = self.entries.remove(token.index() as usize);
        self.by_fd.remove(&entry.source.as_fd().as_raw_fd());
        self.may_hold_stale = true;
        Some(entry)
    }
}

impl<S> AsRawFd for Reactor<S> {
    /// The set itself: readable while an event waits in it. What is on the ready list does not
    /// show.
    fn as_raw_fd(&self) -> RawFd {
        self.poll.as_raw_fd()
    }
}

/// The system call behind the reactor: `epoll`, `kqueue` or `poll`.
#[must_use]
pub const fn backend() -> &'static str {
    if cfg!(any(
        target_os = "linux",
        target_os = "android",
        target_os = "illumos"
    )) {
        "epoll"
    } else if cfg!(any(
        target_vendor = "apple",
        target_os = "freebsd",
        target_os = "netbsd",
        target_os = "openbsd",
        target_os = "dragonfly"
    )) {
        "kqueue"
    } else {
        "poll"
    }
}

/// Adds `readiness` to what `events` says of `token`, the registration of `entry`.
fn report<S>(entry: &mut Entry<S>, events: &mut Vec<Event>, token: Token, readiness: Readiness) {
    let readiness = readiness.of_interest(entry.interest);
    if readiness.is_empty() {
        return;
    }
    if entry.collected > 0 {
        events[entry.collected as usize - 1].readiness |= readiness;
        return;
    }
    events.push(Event { token, readiness });
    entry.collected = to_index(events.len());
}

fn live<S>(entries: &mut Slab<Entry<S>>, token: Token) -> Option<&mut Entry<S>> {
    entries
        .get_mut(token.index() as usize)
        .filter(|entry| entry.generation == token.generation())
}

/// Enters a source into the set; false when its interest needs no place there.
fn watch(
    registry: &mio::Registry,
    fd: RawFd,
    token: Token,
    interest: Interest,
) -> io::Result<bool> {
    let Some(wanted) = interest.to_mio() else {
        return Ok(false);
    };
    match registry.register(&mut SourceFd(&fd), token.to_mio(), wanted) {
        // Left by a stale registration, when the number has become the same description
        // again (`dup2(2)`).
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            registry.reregister(&mut SourceFd(&fd), token.to_mio(), wanted)?;
        }
        result => result?,
    }
    Ok(true)
}

/// `ENOENT`: not in the set. `EBADF`: no such descriptor. Either way it was closed.
fn is_gone(error: &io::Error) -> bool {
    let errno = error.raw_os_error();
    errno == Some(rustix::io::Errno::NOENT.raw_os_error())
        || errno == Some(rustix::io::Errno::BADF.raw_os_error())
}

fn to_index(index: usize) -> u32 {
    u32::try_from(index).expect("register() refuses more than a u32 can count")
}

/// Most events taken from the kernel in one poll, and most sources of the ready list asked again:
/// more wait in the set, which stays readable, or on the list. One poll so reports at most twice
/// as many.
pub const EVENT_BUDGET: usize = 1024;
