//! The reactor against native level-triggered epoll: both report the same for a few Unix sockets.
#![cfg(all(target_os = "linux", not(loom)))]

mod oracle;

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use ioloop::reactor::{Interest, Readiness, Token};
use ioloop::{Error, EventLoop, Turn, net};
use proptest::prelude::*;

use oracle::Oracle;

/// An operation on the pair of this number.
#[derive(Clone, Debug)]
enum Step {
    Register(usize, Interest),
    Reregister(usize, Interest),
    Deregister(usize),
    PeerWrites(usize, usize),
    PeerCloses(usize),
    /// Reads at most this many bytes; the source is drained if that would block.
    Reads(usize, usize),
    Poll,
}

struct Pair {
    mine: Arc<OwnedFd>,
    peer: Option<OwnedFd>,
    registered: Option<(Token, Interest)>,
}

/// The reactor, and native epoll as its model.
struct World {
    event_loop: EventLoop<Arc<OwnedFd>, ()>,
    oracle: Oracle,
    pairs: Vec<Pair>,
}

impl World {
    fn new() -> Self {
        let pairs = (0..PAIRS).map(|_| {
            let (mine, peer) = net::pair().unwrap();
            Pair {
                mine: Arc::new(mine),
                peer: Some(peer),
                registered: None,
            }
        });
        Self {
            event_loop: EventLoop::new().unwrap(),
            oracle: Oracle::new(),
            pairs: pairs.collect(),
        }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Register(at, interest) => self.register(at, interest),
            Step::Reregister(at, interest) => self.reregister(at, interest),
            Step::Deregister(at) => self.deregister(at),
            Step::PeerWrites(at, count) => {
                if let Some(peer) = &self.pairs[at].peer {
                    let _full = net::send(peer, &vec![b'x'; count]);
                }
            }
            Step::PeerCloses(at) => self.pairs[at].peer = None,
            Step::Reads(at, count) => self.read(at, count),
            Step::Poll => self.poll(),
        }
    }

    fn register(&mut self, at: usize, interest: Interest) {
        let pair = &mut self.pairs[at];
        let result = self
            .event_loop
            .reactor_mut()
            .register(Arc::clone(&pair.mine), interest);
        if pair.registered.is_some() {
            assert!(matches!(result, Err(Error::Registered)));
            return;
        }
        self.oracle.add(at, &*pair.mine, interest);
        pair.registered = Some((result.unwrap(), interest));
    }

    fn reregister(&mut self, at: usize, interest: Interest) {
        let pair = &mut self.pairs[at];
        let Some((token, _)) = pair.registered else {
            return;
        };
        self.event_loop
            .reactor_mut()
            .reregister(token, interest)
            .unwrap();
        self.oracle.modify(at, &*pair.mine, interest);
        pair.registered = Some((token, interest));
    }

    fn deregister(&mut self, at: usize) {
        let Some((token, interest)) = self.pairs[at].registered.take() else {
            return;
        };
        assert!(self.event_loop.reactor_mut().deregister(token).is_some());
        assert!(
            self.event_loop.reactor_mut().deregister(token).is_none(),
            "a stale token has no effect"
        );
        assert!(matches!(
            self.event_loop.reactor_mut().reregister(token, interest),
            Err(Error::Unknown)
        ));
        self.oracle.delete(&*self.pairs[at].mine);
    }

    fn read(&mut self, at: usize, count: usize) {
        let pair = &self.pairs[at];
        let result = net::recv(&*pair.mine, &mut vec![0; count]);
        if let (Err(_), Some((token, _))) = (result, pair.registered) {
            self.event_loop
                .reactor_mut()
                .drained(token, Readiness::READABLE);
        }
    }

    fn poll(&mut self) {
        let mut turn = Turn::default();
        self.event_loop
            .turn(0, Some(Duration::ZERO), &mut turn)
            .unwrap();
        let mut reported = BTreeMap::new();
        for event in turn.ready {
            let at = self.pairs.iter().position(|pair| {
                pair.registered
                    .is_some_and(|(token, _)| token == event.token)
            });
            let bits = event.readiness.difference(Readiness::READ_CLOSED).bits();
            let twice = reported.insert(at.expect("an event of a live token"), bits);
            assert_eq!(twice, None, "each source once");
        }
        assert_eq!(reported, self.oracle.ready());
    }
}

fn step() -> impl Strategy<Value = Step> {
    let interest = (0..4_u32).prop_map(|bits| Interest::from_word(bits & 1 | (bits & 2) << 1));
    prop_oneof![
        3 => (0..PAIRS, interest.clone()).prop_map(|(at, i)| Step::Register(at, i)),
        2 => (0..PAIRS, interest).prop_map(|(at, i)| Step::Reregister(at, i)),
        1 => (0..PAIRS).prop_map(Step::Deregister),
        4 => (0..PAIRS, 1..64_usize).prop_map(|(at, count)| Step::PeerWrites(at, count)),
        1 => (0..PAIRS).prop_map(Step::PeerCloses),
        4 => (0..PAIRS, 1..64_usize).prop_map(|(at, count)| Step::Reads(at, count)),
        6 => Just(Step::Poll),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..Default::default() })]

    #[test]
    fn the_reactor_reports_what_level_triggered_epoll_reports(
        steps in proptest::collection::vec(step(), 1..80)
    ) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
        }
        world.poll();
    }
}

const PAIRS: usize = 4;
