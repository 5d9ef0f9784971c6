//! Registrations whose descriptor number was closed: how they are found, removed and reported. The
//! rules are in the documentation of the [reactor](super).

use std::io;
use std::os::fd::{AsFd, RawFd};

use super::selector::{Selector, VERIFIES, VERIFIES_REPORTS, is_gone};
use super::{Entry, Event, Identity, Reactor, Readiness, Token, live};
use crate::{Error, Result};

impl<S: AsFd> Reactor<S> {
    /// Verifies every further report of a source: its number has to be the registered file. For
    /// descriptors that other code may close. Costs an `fstat(2)` per report, and an `epoll_ctl(2)`
    /// if the source is level-triggered and not a socket.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] for a stale token, `EBADF`.
    pub fn verify(&mut self, token: Token) -> Result<()> {
        let entry = live(&mut self.entries, token).ok_or(Error::Unknown)?;
        if entry.identity.is_none() {
            entry.identity = Some(Box::new(Identity::of(&entry.source)?));
        }
        Ok(())
    }

    /// Whether the number of a registration still is the registered file. False for a stale token.
    ///
    /// # Errors
    ///
    /// Of `epoll_ctl(2)`, for example `ENOMEM`: unknown.
    pub fn is_registered(&self, token: Token) -> Result<bool> {
        match self.entry(token) {
            Some(entry) => Ok(entry.is_current(&self.selector, token)?),
            None => Ok(false),
        }
    }

    /// Whether a report of a registration is of the file that has its number now: false for one that is
    /// found [stale](Self::verify).
    #[must_use]
    pub fn is_reported(&self, token: Token) -> bool {
        self.entry(token)
            .is_some_and(|entry| !entry.is_stale(&self.selector, token))
    }

    /// Whether the next turn reports a stale registration, without waiting.
    #[must_use]
    pub fn has_stale(&self) -> bool {
        !self.stale.is_empty()
    }

    /// Removes a stale registration. The next turn reports it.
    pub(super) fn remove_stale(&mut self, token: Token) {
        if self.remove(token).is_some() {
            self.stale.push(token);
        }
    }

    /// Appends removed stale registrations to `events`, up to the bound of a turn: a rebuild may
    /// have removed any number.
    #[cold]
    pub(super) fn report_stale(&mut self, events: &mut Vec<Event>) {
        let room = (2 * self.event_budget).saturating_sub(events.len());
        for token in self.stale.drain(..self.stale.len().min(room)) {
            // A later registration at this index has replaced it.
            if !self.entries.contains(token.index() as usize) {
                let readiness = Readiness::STALE;
                events.push(Event { token, readiness });
            }
        }
    }

    /// Removes a stale registration of the number `fd`, if there is one, and returns its token.
    ///
    /// # Errors
    ///
    /// [`Error::Registered`] if the registration is live.
    pub(super) fn replace_stale(&mut self, fd: RawFd) -> Result<Option<Token>> {
        let Some(index) = self.by_fd.get(fd) else {
            return Ok(None);
        };
        let entry = &self.entries[index as usize];
        let token = entry.token(index as usize);
        if entry.is_current(&self.selector, token)? {
            return Err(Error::Registered);
        }
        self.remove(token);
        Ok(Some(token))
    }
}

impl<S: AsFd> Entry<S> {
    /// Whether a report is of a file that no longer has this number. Always false without
    /// [`Reactor::verify`].
    #[inline]
    pub(super) fn is_stale(&self, selector: &Selector, token: Token) -> bool {
        // kqueue removes a number when it is closed, even if a copy remains.
        match &self.identity {
            Some(identity) if VERIFIES => self.differs(identity, selector, token),
            Some(identity) if VERIFIES_REPORTS => identity.differs(&self.source),
            _ => false,
        }
    }

    #[inline(never)]
    fn differs(&self, identity: &Identity, selector: &Selector, token: Token) -> bool {
        if identity.differs(&self.source) {
            return true;
        }
        // Not for an edge-triggered source: `EPOLL_CTL_MOD` makes epoll report it again.
        let can_ask = !identity.is_unique() && !self.interest.is_edge();
        can_ask && matches!(self.is_current(selector, token), Ok(false))
    }

    /// Whether the descriptor number still is the registered file. epoll answers this: modifying a
    /// registration that it does not have fails. kqueue would add it, and poll(2) has none, so there
    /// the identities are compared.
    ///
    /// # Errors
    ///
    /// Of `epoll_ctl(2)`, for example `ENOMEM`: unknown.
    pub(super) fn is_current(&self, selector: &Selector, token: Token) -> io::Result<bool> {
        if !VERIFIES {
            let identity = self.identity.as_ref();
            return Ok(!identity.is_some_and(|identity| identity.differs(&self.source)));
        }
        match selector.renew(self, token) {
            None => Ok(false),
            Some(Ok(())) => Ok(true),
            Some(Err(error)) if is_gone(&error) => Ok(false),
            Some(Err(error)) => Err(error),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use crate::net;
    use crate::reactor::{Event, Interest, Reactor, Readiness};

    #[test]
    fn stale_registrations_are_reported_within_the_budget() {
        const BUDGET: usize = 2;
        const SOURCES: usize = 3 * BUDGET + 1;
        let mut reactor = Reactor::new(BUDGET).unwrap();
        let mut peers = Vec::new();
        for _ in 0..SOURCES {
            let (socket, peer) = net::pair().unwrap();
            // Always ready: it takes its share of each turn.
            net::send(&peer, b"x").unwrap();
            reactor
                .register(Arc::new(socket), Interest::READABLE)
                .unwrap();
            peers.push(peer);
        }
        let mut events: Vec<Event> = Vec::new();
        reactor.turn(Some(Duration::ZERO), &mut events);
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
        let mut reported = Vec::new();
        for _ in 0..stale.len() {
            let signals = reactor.turn(Some(Duration::ZERO), &mut events);
            assert!(signals.failure.is_none());
            assert!(events.len() <= 2 * BUDGET, "{} events", events.len());
            let is_stale = |event: &&Event| event.readiness == Readiness::STALE;
            reported.extend(events.iter().filter(is_stale).map(|event| event.token));
        }
        assert_eq!(reported, stale);
    }
}
