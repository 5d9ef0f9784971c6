//! Registrations whose descriptor was closed elsewhere: how they are found, reported, and how a
//! set that keeps reporting them is replaced. The rules are in the module of the
//! [reactor](super).

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use mio::unix::SourceFd;

use super::{Entry, Event, Identity, Reactor, Readiness, Token, is_gone, live, watch};
use crate::{Error, Result};

impl<S: AsFd> Reactor<S> {
    /// Verifies each report of this registration from now on: the number has to be the file that
    /// was registered. Costs one `fstat(2)` per report, and one `epoll_ctl(2)` for a
    /// level-triggered source that is not a socket. For sources that other code may close by their
    /// number.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] for a stale token, `EBADF`.
    pub fn verify(&mut self, token: Token) -> Result<()> {
        let entry = live(&mut self.entries, token).ok_or(Error::Unknown)?;
        if entry.identity.is_none() {
            entry.identity = Some(Identity::of(&entry.source)?);
        }
        Ok(())
    }

    /// Whether the number of a registration still is the file that was registered.
    ///
    /// # Errors
    ///
    /// `ENOMEM` and the like: it is not known.
    pub fn is_registered(&self, token: Token) -> Result<bool> {
        let entry = self.entries.get(token.index() as usize);
        match entry.filter(|entry| entry.generation == token.generation()) {
            Some(entry) => Ok(entry.is_current(self.registry(), token)?),
            None => Ok(false),
        }
    }

    /// Whether removed registrations keep reporting; see the module's section on closed
    /// descriptors.
    #[must_use]
    pub fn needs_rebuild(&self) -> bool {
        self.stale_events >= STALE_EVENT_LIMIT
    }

    /// Whether a poll would report a [`Readiness::STALE`] without waiting.
    pub(crate) fn has_stale(&self) -> bool {
        !self.stale.is_empty()
    }

    /// Watches all sources in a new set; `enter` gets it last, and adds what else belongs there.
    /// Tokens stay valid; a source whose descriptor was closed loses its registration.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new), of `epoll_ctl(2)`, or of `enter`. The old set then stays in use
    /// with all its sources, for another [`STALE_EVENT_LIMIT`] events.
    pub(crate) fn rebuild(
        &mut self,
        enter: impl FnOnce(&mio::Poll) -> io::Result<()>,
    ) -> Result<()> {
        self.stale_events = 0;
        let poll = mio::Poll::new()?;
        let mut gone = Vec::new();
        for (index, entry) in &self.entries {
            let token = entry.token(index);
            let is_copied = entry.is_current(self.registry(), token)?
                && entry.copy_to(poll.registry(), token)?;
            if !is_copied {
                gone.push(token);
            }
        }
        enter(&poll)?;
        for token in gone {
            self.remove_stale(token);
        }
        self.poll = poll;
        self.may_hold_stale = false;
        Ok(())
    }

    /// Removes a stale registration; the next report says so.
    pub(super) fn remove_stale(&mut self, token: Token) {
        if self.remove(token).is_some() {
            self.stale.push(token);
        }
    }

    /// Adds lost registrations to what the poll has found, up to its bound. A set that was replaced
    /// may have lost any number of them.
    #[cold]
    pub(super) fn report_stale(&mut self, events: &mut Vec<Event>) {
        let room = (2 * self.event_budget).saturating_sub(events.len());
        for token in self.stale.drain(..self.stale.len().min(room)) {
            // Whoever registered the number that is at this index now has replaced the lost one.
            if !self.entries.contains(token.index() as usize) {
                let readiness = Readiness::STALE;
                events.push(Event { token, readiness });
            }
        }
    }

    /// Makes room for `fd`: an old registration of the same number is either live, an error, or
    /// left over from a descriptor that was closed.
    pub(super) fn replace_stale(&mut self, fd: RawFd) -> Result<()> {
        let Some(&index) = self.by_fd.get(&fd) else {
            return Ok(());
        };
        let entry = &self.entries[index as usize];
        let token = entry.token(index as usize);
        if entry.is_current(self.registry(), token)? {
            return Err(Error::Registered);
        }
        self.remove(token);
        Ok(())
    }
}

impl<S: AsFd> Entry<S> {
    /// Whether a report is of a description whose number is closed, or another file's. Costs
    /// nothing unless the owner asked for it with [`Reactor::verify`].
    #[inline]
    pub(super) fn is_stale(&self, registry: &mio::Registry, token: Token) -> bool {
        // kqueue forgets a number with its closing, whatever else the description has.
        match &self.identity {
            Some(identity) if SELECTOR_VERIFIES => self.differs(identity, registry, token),
            _ => false,
        }
    }

    #[inline(never)]
    fn differs(&self, identity: &Identity, registry: &mio::Registry, token: Token) -> bool {
        if identity.differs(&self.source) {
            return true;
        }
        // An `EPOLL_CTL_MOD` makes the set report again, so an edge-triggered source is not asked.
        let asks = !identity.is_unique() && !self.interest.is_edge();
        asks && matches!(self.is_current(registry, token), Ok(false))
    }

    /// Whether the descriptor number still is what was registered, and not a closed one that
    /// another file has got since. epoll knows: changing a registration that is not there fails. On
    /// kqueue a change would add it, and the identities are compared.
    ///
    /// # Errors
    ///
    /// `ENOMEM` and the like: it is not known.
    pub(super) fn is_current(&self, registry: &mio::Registry, token: Token) -> io::Result<bool> {
        if !SELECTOR_VERIFIES {
            let identity = self.identity.as_ref();
            return Ok(!identity.is_some_and(|identity| identity.differs(&self.source)));
        }
        let Some(interest) = self.interest.to_mio() else {
            return Ok(false);
        };
        let fd = self.source.as_fd().as_raw_fd();
        match registry.reregister(&mut SourceFd(&fd), token.to_mio(), interest) {
            Ok(()) => Ok(true),
            Err(error) if is_gone(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Enters a registration into another set; false when its descriptor was closed.
    fn copy_to(&self, registry: &mio::Registry, token: Token) -> io::Result<bool> {
        let fd = self.source.as_fd().as_raw_fd();
        match watch(registry, fd, token, self.interest) {
            Ok(_watched) => Ok(true),
            Err(error) if is_gone(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Whether the set tells a description that is not in it from one that is.
pub(super) const SELECTOR_VERIFIES: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// Orphaned events that are put up with before the set is rebuilt. Each costs one empty turn.
pub(super) const STALE_EVENT_LIMIT: u32 = 16;

#[cfg(all(test, not(loom)))]
mod tests {
    use std::os::fd::OwnedFd;
    use std::sync::Arc;
    use std::time::Duration;

    use crate::net;
    use crate::reactor::{Interest, Reactor, Readiness, token};

    /// Registers and deregisters a socket so often.
    fn churn(reactor: &mut Reactor<Arc<OwnedFd>>, socket: &Arc<OwnedFd>, rounds: u32) {
        for _ in 0..rounds {
            let token = reactor.register(Arc::clone(socket), Interest::READABLE);
            reactor.deregister(token.unwrap());
        }
    }

    #[test]
    fn a_new_set_is_due_before_a_generation_comes_again() {
        let socket = Arc::new(net::pair().unwrap().0);
        let mut reactor = Reactor::new().unwrap();
        reactor.next_generation = token::BOUNDARY - 3;
        churn(&mut reactor, &socket, 6);
        assert!(!reactor.needs_rebuild(), "nothing was left in the set");
        reactor.next_generation = token::BOUNDARY - 3;
        let token = reactor.register(Arc::clone(&socket), Interest::READABLE);
        reactor.remove_stale(token.unwrap());
        churn(&mut reactor, &socket, 1);
        assert!(!reactor.needs_rebuild());
        churn(&mut reactor, &socket, 1);
        assert!(reactor.needs_rebuild());
        reactor.rebuild(|_| Ok(())).unwrap();
        reactor.next_generation = token::BOUNDARY - 3;
        churn(&mut reactor, &socket, 6);
        assert!(!reactor.needs_rebuild());
    }

    #[test]
    fn what_a_rebuild_has_stale_comes_within_the_budget() {
        const BUDGET: usize = 2;
        const SOURCES: usize = 3 * BUDGET + 1;
        let mut reactor = Reactor::with_event_budget(BUDGET).unwrap();
        let mut peers = Vec::new();
        for _ in 0..SOURCES {
            let (socket, peer) = net::pair().unwrap();
            // Ready all the time: it claims its share of each poll.
            net::send(&peer, b"x").unwrap();
            reactor
                .register(Arc::new(socket), Interest::READABLE)
                .unwrap();
            peers.push(peer);
        }
        let mut events = Vec::new();
        reactor.poll(Some(Duration::ZERO), &mut events).unwrap();
        let stale: Vec<_> = (0..SOURCES)
            .map(|_| {
                let (socket, _peer) = net::pair().unwrap();
                let socket = Arc::new(socket);
                reactor.register(socket, Interest::READABLE).unwrap()
            })
            .collect();
        for &token in &stale {
            reactor.remove_stale(token);
        }
        let mut lost = Vec::new();
        for _ in 0..stale.len() {
            reactor.poll(Some(Duration::ZERO), &mut events).unwrap();
            assert!(events.len() <= 2 * BUDGET, "{} events", events.len());
            let reported = events
                .iter()
                .filter(|event| event.readiness == Readiness::STALE);
            lost.extend(reported.map(|event| event.token));
        }
        assert_eq!(lost, stale);
    }
}
