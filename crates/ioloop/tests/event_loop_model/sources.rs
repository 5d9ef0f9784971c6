//! The model of the sources: level-triggered epoll.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use ioloop::reactor::{Event, Interest, Readiness, Token};
use ioloop::{Error, Turn, net};
use rustix::io::{dup, dup2};

use super::World;

pub(super) struct Pair {
    pub(super) mine: Arc<OwnedFd>,
    pub(super) peer: OwnedFd,
    pub(super) registered: Option<(Token, Interest)>,
    /// The number has become another file since it was registered.
    pub(super) stale: bool,
}

/// A stale registration, which is to be reported once.
pub(super) struct Stale {
    pub(super) token: Token,
    /// Replaced or ended by its owner: a report is allowed and not required.
    pub(super) excused: bool,
}

impl World {
    pub(super) fn register(&mut self, at: usize, interest: Interest) {
        let pair = &mut self.pairs[at];
        let reactor = self.event_loop.reactor_mut();
        let result = reactor.register(Arc::clone(&pair.mine), interest);
        if pair.registered.is_some() && !pair.stale {
            assert!(matches!(result, Err(Error::Registered)));
            return;
        }
        let token = result.unwrap();
        reactor.verify(token).unwrap();
        // What was stale under this number or at this index is replaced.
        let old = pair.registered.map(|(token, _)| token);
        for stale in &mut self.stale {
            stale.excused |= Some(stale.token) == old || stale.token.index() == token.index();
        }
        self.oracle.add(at, &*pair.mine, interest);
        pair.registered = Some((token, interest));
        pair.stale = false;
    }

    pub(super) fn reregister(&mut self, at: usize, interest: Interest) {
        let pair = &mut self.pairs[at];
        let Some((token, _)) = pair.registered else {
            return;
        };
        let result = self.event_loop.reactor_mut().reregister(token, interest);
        if pair.stale {
            assert!(matches!(result, Err(Error::Unknown)));
            self.end_stale(at, token);
            return;
        }
        result.unwrap();
        self.oracle.modify(at, &*pair.mine, interest);
        pair.registered = Some((token, interest));
    }

    pub(super) fn deregister(&mut self, at: usize) {
        let pair = &mut self.pairs[at];
        let Some((token, _)) = pair.registered else {
            return;
        };
        let source = self.event_loop.reactor_mut().deregister(token);
        if pair.stale {
            self.end_stale(at, token);
            return;
        }
        assert!(source.is_some());
        self.oracle.delete(&*pair.mine);
        pair.registered = None;
    }

    pub(super) fn end_stale(&mut self, at: usize, token: Token) {
        self.pairs[at].registered = None;
        self.pairs[at].stale = false;
        for stale in &mut self.stale {
            stale.excused |= stale.token == token;
        }
    }

    pub(super) fn read(&mut self, at: usize) {
        let pair = &self.pairs[at];
        let result = net::recv(&*pair.mine, &mut [0]);
        if let (Err(_), Some((token, _)), false) = (result, pair.registered, pair.stale) {
            let reactor = self.event_loop.reactor_mut();
            reactor.drained(token, Readiness::READABLE);
        }
    }

    pub(super) fn replace(&mut self, at: usize) {
        let pair = &mut self.pairs[at];
        let copy = dup(&*pair.mine).unwrap();
        if let (Some((token, _)), false) = (pair.registered, pair.stale) {
            self.oracle.delete(&*pair.mine);
            self.stale.push(Stale {
                token,
                excused: false,
            });
            pair.stale = true;
        }
        let (fresh, fresh_peer) = net::pair().unwrap();
        // SAFETY: the number stays open, and `pair.mine` alone closes it.
        let mut number = ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(pair.mine.as_raw_fd()) });
        dup2(&fresh, &mut number).unwrap();
        self.copies
            .push((copy, std::mem::replace(&mut pair.peer, fresh_peer)));
    }

    pub(super) fn check_ready(&mut self, turn: &Turn<u32>) -> BTreeSet<usize> {
        let expected = self.oracle.ready();
        let mut reported = BTreeMap::new();
        for event in &turn.ready {
            if event.readiness == Readiness::STALE {
                self.report_stale(*event);
                continue;
            }
            let at = self.position(event.token).expect("a live registration");
            assert!(
                !self.pairs[at].stale,
                "a report of a file that was replaced"
            );
            let bits = event.readiness.difference(Readiness::READ_CLOSED).bits();
            assert_eq!(reported.insert(at, bits), None, "each source once");
            assert_eq!(expected.get(&at), Some(&bits));
        }
        if !turn.more && !self.is_readable(Duration::ZERO) {
            assert_eq!(reported, expected, "nothing is left for another turn");
        }
        reported.into_keys().collect()
    }

    pub(super) fn report_stale(&mut self, event: Event) {
        let stale = self.stale.iter().position(|it| it.token == event.token);
        self.stale
            .remove(stale.expect("a stale registration, which was not reported yet"));
        if let Some(at) = self.position(event.token) {
            self.pairs[at].registered = None;
            self.pairs[at].stale = false;
        }
    }

    pub(super) fn position(&self, token: Token) -> Option<usize> {
        let is_at = |pair: &Pair| pair.registered.is_some_and(|(at, _)| at == token);
        self.pairs.iter().position(is_at)
    }
}
