//! Replacing the selector, which ends the events of stale registrations.
//!
//! A registration whose number was closed while a copy of its open file remains cannot be removed
//! from epoll: `EPOLL_CTL_DEL` takes a number. Each of its events costs an empty turn. The only
//! remedy is a new epoll set with the live registrations.
//!
//! A rebuild is due after [`STALE_EVENT_LIMIT`] such events. It is also due before a generation is
//! reused while the selector may hold a stale registration, whose token would be valid again.

use std::io;
use std::os::fd::AsFd;

use super::selector::{REBUILDS, Selector, is_gone};
use super::{Entry, Reactor, Token, WaitSet, token};
use crate::Result;

impl<S: AsFd> Reactor<S> {
    /// Whether [`EventLoop::rebuild`](crate::EventLoop::rebuild) is due: stale registrations keep
    /// waking the loop.
    #[must_use]
    pub fn needs_rebuild(&self) -> bool {
        REBUILDS && self.stale_events >= STALE_EVENT_LIMIT
    }

    /// How often the selector was replaced.
    #[must_use]
    pub fn rebuilds(&self) -> u32 {
        self.rebuilds
    }

    /// Replaces the selector by a new one with all sources. `enter` adds what else belongs there,
    /// and `watch` gets it, last. Tokens stay valid. Registrations whose descriptor was closed are removed as stale.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), of `epoll_ctl(2)`, of `enter` or of `watch`. The old selector stays in use with
    /// all its sources, and needs a rebuild after [`STALE_EVENT_LIMIT`] further stale events.
    pub(crate) fn rebuild(
        &mut self,
        enter: impl FnOnce(&mut Selector) -> io::Result<()>,
        watch: impl FnOnce(WaitSet) -> io::Result<()>,
    ) -> Result<()> {
        self.stale_events = 0;
        let mut selector = Selector::new(self.event_budget)?;
        let mut gone = Vec::new();
        for (index, entry) in &self.entries {
            let token = entry.token(index);
            let is_copied =
                entry.is_current(&self.selector, token)? && entry.copy_to(&mut selector, token)?;
            if !is_copied {
                gone.push(token);
            }
        }
        enter(&mut selector)?;
        watch(selector.wait_set(&self.entries))?;
        for token in gone {
            self.remove_stale(token);
        }
        self.selector = selector;
        self.may_hold_stale = false;
        self.rebuilds = self.rebuilds.saturating_add(1);
        Ok(())
    }

    /// Takes the generation of the next registration.
    pub(super) fn advance_generation(&mut self) {
        self.next_generation = self.next_generation.wrapping_add(1);
        if self.may_hold_stale && token::is_boundary(self.next_generation) {
            self.stale_events = STALE_EVENT_LIMIT;
        }
    }
}

impl<S: AsFd> Entry<S> {
    /// Adds the registration to another selector. False if its descriptor was closed.
    fn copy_to(&self, selector: &mut Selector, token: Token) -> io::Result<bool> {
        match selector.add(&self.source, token, self.interest) {
            Ok(_slot) => Ok(true),
            Err(error) if is_gone(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Stale events between rebuilds. Each costs one empty turn.
const STALE_EVENT_LIMIT: u32 = 16;

#[cfg(all(test, not(loom), not(selector = "poll")))]
mod tests {
    use std::os::fd::OwnedFd;
    use std::sync::Arc;

    use crate::net;
    use crate::reactor::{Interest, Reactor, token};

    /// Registers and deregisters a socket `rounds` times.
    fn churn(reactor: &mut Reactor<Arc<OwnedFd>>, socket: &Arc<OwnedFd>, rounds: u32) {
        for _ in 0..rounds {
            let token = reactor.register(Arc::clone(socket), Interest::READABLE);
            reactor.deregister(token.unwrap());
        }
    }

    #[test]
    fn a_rebuild_is_due_before_a_generation_is_reused() {
        let socket = Arc::new(net::pair().unwrap().0);
        let mut reactor = Reactor::new(1).unwrap();
        reactor.next_generation = token::BOUNDARY - 3;
        churn(&mut reactor, &socket, 6);
        assert!(!reactor.needs_rebuild(), "no stale registration was left");
        reactor.next_generation = token::BOUNDARY - 3;
        let token = reactor.register(Arc::clone(&socket), Interest::READABLE);
        reactor.remove_stale(token.unwrap());
        churn(&mut reactor, &socket, 1);
        assert!(!reactor.needs_rebuild());
        churn(&mut reactor, &socket, 1);
        assert!(reactor.needs_rebuild());
        reactor.rebuild(|_| Ok(()), |_| Ok(())).unwrap();
        assert_eq!(reactor.rebuilds(), 1);
        reactor.next_generation = token::BOUNDARY - 3;
        churn(&mut reactor, &socket, 6);
        assert!(!reactor.needs_rebuild());
    }
}
