//! Turns of an event loop against a model: a sorted map for the timers, level-triggered epoll for
//! the sources, a vector for the commands. Alarm, rebuilds, stale registrations and small budgets
//! come together.
#![cfg(all(selector = "epoll", not(loom)))]
#![allow(
    unsafe_code,
    reason = "descriptor numbers that become other files are what is tested"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use ioloop::event_loop::{Budgets, SLACK_BURST, TIMER_SLACK};
use ioloop::reactor::{Event, Interest, Readiness, Token};
use ioloop::timer::TimerId;
use ioloop::{Error, EventLoop, Turn, net};
use proptest::prelude::*;
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use rustix::io::{dup, dup2};

#[derive(Clone, Debug)]
enum Step {
    Arm(u32, u64),
    /// Arms a burst of timers, one per tick.
    ArmBurst(u64),
    Cancel(u32),
    /// Moves the clock, forward or back.
    MoveClock(i64),
    Post(u32),
    Register(usize, Interest),
    Reregister(usize, Interest),
    Deregister(usize),
    PeerWrites(usize),
    /// Reads a byte; the source is drained if that would block.
    Read(usize),
    /// The number of this pair becomes another file. A copy of the old one stays open.
    Replace(usize),
    /// The peers of all copies write, which reports stale registrations.
    PeersOfCopiesWrite,
    Rebuild,
    RebuildFails,
    Turn,
}

struct Pair {
    mine: Arc<OwnedFd>,
    peer: OwnedFd,
    registered: Option<(Token, Interest)>,
    /// The number has become another file since it was registered.
    stale: bool,
}

/// A stale registration, which is to be reported once.
struct Stale {
    token: Token,
    /// Replaced or ended by its owner: a report is allowed and not required.
    excused: bool,
}

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
    oracle: OwnedFd,
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
            oracle: epoll::create(epoll::CreateFlags::CLOEXEC).unwrap(),
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

    fn arm(&mut self, id: u32, deadline: u64) {
        self.forget(id);
        self.insertions += 1;
        self.timers.insert((deadline, self.insertions), id);
        self.event_loop.wheel_mut().arm(TimerId(id), deadline);
    }

    /// Removes a timer from the model. Whether it was armed.
    fn forget(&mut self, id: u32) -> bool {
        let before = self.timers.len();
        self.timers.retain(|_, armed| *armed != id);
        self.timers.len() < before
    }

    fn register(&mut self, at: usize, interest: Interest) {
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
        let data = epoll::EventData::new_u64(at as u64);
        epoll::add(&self.oracle, &*pair.mine, data, flags(interest)).unwrap();
        pair.registered = Some((token, interest));
        pair.stale = false;
    }

    fn reregister(&mut self, at: usize, interest: Interest) {
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
        let data = epoll::EventData::new_u64(at as u64);
        epoll::modify(&self.oracle, &*pair.mine, data, flags(interest)).unwrap();
        pair.registered = Some((token, interest));
    }

    fn deregister(&mut self, at: usize) {
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
        epoll::delete(&self.oracle, &*pair.mine).unwrap();
        pair.registered = None;
    }

    fn end_stale(&mut self, at: usize, token: Token) {
        self.pairs[at].registered = None;
        self.pairs[at].stale = false;
        for stale in &mut self.stale {
            stale.excused |= stale.token == token;
        }
    }

    fn read(&mut self, at: usize) {
        let pair = &self.pairs[at];
        let result = net::recv(&*pair.mine, &mut [0]);
        if let (Err(_), Some((token, _)), false) = (result, pair.registered, pair.stale) {
            let reactor = self.event_loop.reactor_mut();
            reactor.drained(token, Readiness::READABLE);
        }
    }

    fn replace(&mut self, at: usize) {
        let pair = &mut self.pairs[at];
        let copy = dup(&*pair.mine).unwrap();
        if let (Some((token, _)), false) = (pair.registered, pair.stale) {
            epoll::delete(&self.oracle, &*pair.mine).unwrap();
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

    fn expire(&mut self) -> Vec<TimerId> {
        let due = self.timers.range(..=(self.now, u64::MAX));
        let keys: Vec<_> = due.map(|(&key, _)| key).take(self.budgets.timers).collect();
        let fired: Vec<_> = keys
            .iter()
            .filter_map(|key| self.timers.remove(key))
            .map(TimerId)
            .collect();
        if fired.len() >= SLACK_BURST {
            self.slack_until = self.now + TIMER_SLACK;
        }
        fired
    }

    fn check_ready(&mut self, turn: &Turn<u32>) -> BTreeSet<usize> {
        let expected = self.expected();
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

    fn report_stale(&mut self, event: Event) {
        let stale = self.stale.iter().position(|it| it.token == event.token);
        self.stale
            .remove(stale.expect("a stale registration, which was not reported yet"));
        if let Some(at) = self.position(event.token) {
            self.pairs[at].registered = None;
            self.pairs[at].stale = false;
        }
    }

    fn position(&self, token: Token) -> Option<usize> {
        let is_at = |pair: &Pair| pair.registered.is_some_and(|(at, _)| at == token);
        self.pairs.iter().position(is_at)
    }

    /// The report of native level-triggered epoll.
    fn expected(&self) -> BTreeMap<usize, u8> {
        let mut events = Vec::with_capacity(PAIRS);
        let room = rustix::buffer::spare_capacity(&mut events);
        epoll::wait(&self.oracle, room, Some(&timespec(Duration::ZERO))).unwrap();
        let of_event = |event: &epoll::Event| {
            // The packed struct's fields are copied out.
            let (flags, data) = (event.flags, event.data);
            let bits = [
                (epoll::EventFlags::IN, Readiness::READABLE),
                (epoll::EventFlags::OUT, Readiness::WRITABLE),
                (epoll::EventFlags::ERR, Readiness::ERROR),
                (epoll::EventFlags::HUP, Readiness::HANG_UP),
            ];
            let bits = bits.iter().filter(|(flag, _)| flags.contains(*flag));
            let bits = bits.fold(0, |sum, (_, bit)| sum | bit.bits());
            (usize::try_from(data.u64()).unwrap(), bits)
        };
        events.iter().map(of_event).collect()
    }

    #[track_caller]
    fn check_wake(&self) {
        let wake = self.event_loop.next_wake(self.now);
        let slack_until = self.slack_until.min(self.now + TIMER_SLACK);
        let earliest = self.timers.first_key_value();
        let expected = earliest.map(|((deadline, _), _)| (*deadline).max(slack_until));
        assert_eq!(wake.is_some(), expected.is_some());
        assert!(wake <= expected, "{wake:?} is after {expected:?}");
        if self.timers.len() <= 8 {
            assert_eq!(wake, expected, "few timers, so an exact answer");
        }
    }

    /// Turns until everything was collected.
    fn settle(&mut self) {
        self.event_loop.rebuild(|_| Ok(())).unwrap();
        let mut reported = BTreeSet::new();
        for _ in 0..ENOUGH {
            reported.append(&mut self.turn());
        }
        assert_eq!(reported, self.expected().into_keys().collect());
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

fn flags(interest: Interest) -> epoll::EventFlags {
    let mut flags = epoll::EventFlags::empty();
    flags.set(epoll::EventFlags::IN, interest.contains(Interest::READABLE));
    flags.set(
        epoll::EventFlags::OUT,
        interest.contains(Interest::WRITABLE),
    );
    flags
}

fn timespec(duration: Duration) -> Timespec {
    Timespec::try_from(duration).unwrap()
}

fn interest() -> impl Strategy<Value = Interest> {
    prop_oneof![
        1 => Just(Interest::empty()),
        4 => Just(Interest::READABLE),
        1 => Just(Interest::WRITABLE),
        2 => Just(Interest::READABLE | Interest::WRITABLE),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let at = 0..PAIRS;
    prop_oneof![
        6 => (0..TIMERS, 0..5_000_000_u64).prop_map(|(id, delay)| Step::Arm(id, delay)),
        1 => (0..2_000_000_u64).prop_map(Step::ArmBurst),
        1 => (0..TIMERS).prop_map(Step::Cancel),
        3 => (0..3_000_000_i64).prop_map(Step::MoveClock),
        1 => (-7_200_000_000_000..7_200_000_000_000_i64).prop_map(Step::MoveClock),
        1 => any::<u32>().prop_map(Step::Post),
        5 => (at.clone(), interest()).prop_map(|(at, i)| Step::Register(at, i)),
        2 => (at.clone(), interest()).prop_map(|(at, i)| Step::Reregister(at, i)),
        1 => at.clone().prop_map(Step::Deregister),
        4 => at.clone().prop_map(Step::PeerWrites),
        4 => at.clone().prop_map(Step::Read),
        1 => at.prop_map(Step::Replace),
        2 => Just(Step::PeersOfCopiesWrite),
        1 => Just(Step::Rebuild),
        1 => Just(Step::RebuildFails),
        8 => Just(Step::Turn),
    ]
}

fn budgets() -> impl Strategy<Value = Budgets> {
    let timers = prop_oneof![1..4_usize, Just(SLACK_BURST), Just(4_096)];
    let events = prop_oneof![1..4_usize, Just(1_024)];
    (timers, events).prop_map(|(timers, events)| Budgets {
        timers,
        events,
        ..Budgets::default()
    })
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
