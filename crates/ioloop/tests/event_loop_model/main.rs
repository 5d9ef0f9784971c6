//! Turns of an event loop against a model: a sorted map for the timers, level-triggered epoll for
//! the sources, a vector for the commands. Alarm, rebuilds, stale registrations and small budgets
//! come together.
#![cfg(all(selector = "epoll", not(loom)))]
#![allow(
    unsafe_code,
    reason = "descriptor numbers that become other files are what is tested"
)]

#[path = "../oracle/mod.rs"]
mod oracle;
mod sources;
mod steps;
mod timers;

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use ioloop::event_loop::{Budgets, TIMER_SLACK};
use ioloop::timer::TimerId;
use ioloop::{EventLoop, Turn, net};
use proptest::prelude::*;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use oracle::Oracle;
use sources::{Pair, Stale};
use steps::{Step, budgets, step};

struct World {
    event_loop: EventLoop<Arc<OwnedFd>, u32>,
    budgets: Budgets,
    turn: Turn<u32>,
    now: u64,
    /// Armed timers by (deadline, insertion).
    timers: BTreeMap<(u64, u64), u32>,
    insertions: u64,
    slack_until: u64,
    posted: Vec<u32>,
    oracle: Oracle,
    pairs: Vec<Pair>,
    copies: Vec<(OwnedFd, OwnedFd)>,
    stale: Vec<Stale>,
}

impl World {
    fn new(budgets: Budgets) -> Self {
        let mut event_loop = EventLoop::with_budgets(budgets).unwrap();
        // The clock of the model does not move with the kernel's.
        event_loop.expect_clock_steps(true);
        let pairs = (0..PAIRS).map(|_| {
            let (mine, peer) = net::pair().unwrap();
            Pair {
                mine: Arc::new(mine),
                peer,
                registered: None,
                stale: false,
            }
        });
        Self {
            event_loop,
            budgets,
            turn: Turn::default(),
            now: 1 << 50,
            timers: BTreeMap::new(),
            insertions: 0,
            slack_until: 0,
            posted: Vec::new(),
            oracle: Oracle::new(),
            pairs: pairs.collect(),
            copies: Vec::new(),
            stale: Vec::new(),
        }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Arm(id, delay) => self.arm(id, self.now + delay),
            Step::ArmBurst(delay) => {
                for id in 0..BURST {
                    self.arm(id, self.now + delay + u64::from(id));
                }
            }
            Step::Cancel(id) => {
                let was_armed = self.forget(id);
                assert_eq!(self.event_loop.wheel_mut().cancel(TimerId(id)), was_armed);
            }
            Step::MoveClock(by) => self.now = self.now.saturating_add_signed(by),
            Step::Post(command) => {
                self.event_loop.handle().unwrap().post(command).unwrap();
                self.posted.push(command);
            }
            Step::Register(at, interest) => self.register(at, interest),
            Step::Reregister(at, interest) => self.reregister(at, interest),
            Step::Deregister(at) => self.deregister(at),
            Step::PeerWrites(at) => drop(net::send(&self.pairs[at].peer, b"x")),
            Step::Read(at) => self.read(at),
            Step::Replace(at) => self.replace(at),
            Step::PeersOfCopiesWrite => {
                for (_, peer) in &self.copies {
                    let _full = net::send(peer, b"x");
                }
            }
            Step::Rebuild => self.event_loop.rebuild(|_| Ok(())).unwrap(),
            Step::RebuildFails => {
                let refused = self.event_loop.rebuild(|_| Err(MFILE.into()));
                assert_eq!(refused.unwrap_err().errno(), MFILE.raw_os_error());
            }
            Step::Turn => drop(self.turn()),
        }
        self.check_wake();
    }

    /// Runs a turn and compares it with the model. The pairs that were reported ready.
    fn turn(&mut self) -> BTreeSet<usize> {
        let mut turn = std::mem::take(&mut self.turn);
        self.event_loop
            .turn(self.now, Some(Duration::ZERO), &mut turn)
            .unwrap();
        assert_eq!(turn.commands, std::mem::take(&mut self.posted));
        assert_eq!(turn.due, self.expire());
        assert!(turn.alarmed);
        assert!(turn.more || turn.due.len() < self.budgets.timers);
        assert!(turn.ready.len() <= self.budgets.ready());
        let reported = self.check_ready(&turn);
        self.turn = turn;
        if self.event_loop.reactor().needs_rebuild() {
            self.event_loop.rebuild(|_| Ok(())).unwrap();
        }
        reported
    }

    /// Turns until everything was collected.
    fn settle(&mut self) {
        self.event_loop.rebuild(|_| Ok(())).unwrap();
        let mut reported = BTreeSet::new();
        for _ in 0..ENOUGH {
            reported.append(&mut self.turn());
        }
        assert_eq!(reported, self.oracle.ready().into_keys().collect());
        let due = self.timers.range(..=(self.now, u64::MAX)).count();
        assert_eq!(due, 0);
        assert!(self.stale.iter().all(|stale| stale.excused));
        assert!(!self.event_loop.reactor().has_stale());
    }

    /// After all sources are drained, the alarm alone makes the selector readable.
    fn check_alarm(&mut self) {
        for at in 0..PAIRS {
            self.deregister(at);
        }
        for id in 0..TIMERS {
            self.take(&Step::Cancel(id));
        }
        self.turn();
        self.arm(0, self.now + 2 * TIMER_SLACK);
        self.event_loop.set_alarm(self.now).unwrap();
        assert!(self.is_readable(Duration::from_secs(5)), "no alarm");
    }

    /// Whether the selector becomes readable in this time.
    fn is_readable(&self, within: Duration) -> bool {
        // SAFETY: the selector is open as long as the loop.
        let selector = unsafe { BorrowedFd::borrow_raw(self.event_loop.as_raw_fd()) };
        let mut fds = [PollFd::from_borrowed_fd(selector, PollFlags::IN)];
        poll(&mut fds, Some(&timespec(within))).unwrap() == 1
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec::try_from(duration).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_turn_collects_what_the_model_has(
        budgets in budgets(),
        steps in proptest::collection::vec(step(), 0..150),
    ) {
        let mut world = World::new(budgets);
        for step in &steps {
            world.take(step);
        }
        world.settle();
        world.check_alarm();
    }
}

const PAIRS: usize = 5;
const TIMERS: u32 = 24;
/// At least [`SLACK_BURST`].
const BURST: u32 = 18;
/// Turns in which the smallest budgets collect everything.
const ENOUGH: usize = 60;
const MFILE: rustix::io::Errno = rustix::io::Errno::MFILE;
