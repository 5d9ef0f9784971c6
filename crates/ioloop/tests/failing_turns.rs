//! Turns whose system calls fail: no timer, event or command is lost.
#![cfg(all(selector = "epoll", not(loom)))]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use ioloop::event_loop::Budgets;
use ioloop::reactor::{Interest, Readiness, Token};
use ioloop::timer::TimerId;
use ioloop::{EventLoop, LoopHandle, Turn, net};
use proptest::prelude::*;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// The set of a loop under another number, so that its own can stand for something else: every
/// call on it then fails with `EINVAL`.
struct Fault {
    set: RawFd,
    spare: OwnedFd,
    other: File,
}

impl Fault {
    fn of(event_loop: &EventLoop<Arc<OwnedFd>, u32>) -> Self {
        let set = event_loop.as_raw_fd();
        // SAFETY: open, and not closed here.
        let own = ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(set) });
        Self {
            set,
            spare: own.try_clone().unwrap(),
            other: File::open("/dev/null").unwrap(),
        }
    }

    fn begins(&self) {
        self.point_to(&self.other);
    }

    fn ends(&self) {
        self.point_to(&self.spare);
    }

    fn point_to(&self, file: &impl AsFd) {
        // SAFETY: the number of a set that is open, and stays so.
        let mut own = ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(self.set) });
        rustix::io::dup2(file, &mut own).unwrap();
    }
}

struct World {
    event_loop: EventLoop<Arc<OwnedFd>, u32>,
    handle: LoopHandle<u32>,
    fault: Fault,
    turn: Turn<u32>,
    now: u64,
    sources: Vec<(Arc<OwnedFd>, OwnedFd, Token)>,
    /// Deadlines of armed timers, by id.
    armed: BTreeMap<u32, u64>,
    posted: Vec<u32>,
    taken: Vec<u32>,
}

#[derive(Clone, Debug)]
enum Step {
    Arm(u32, u64),
    Cancel(u32),
    PeerWrites(usize),
    /// Reads a byte; the source is drained if that would block.
    Reads(usize),
    Posts(u32),
    /// Moves the clock, forward or back.
    Steps(i64),
    FaultBegins,
    FaultEnds,
    Turns,
}

impl World {
    fn new(budgets: Budgets, clock_steps: bool) -> Self {
        let mut event_loop = EventLoop::with_budgets(budgets).unwrap();
        let handle = event_loop.handle().unwrap();
        event_loop.expect_clock_steps(clock_steps);
        let sources = (0..SOURCES).map(|_| {
            let (mine, peer) = net::pair().unwrap();
            let mine = Arc::new(mine);
            let token = event_loop
                .reactor_mut()
                .register(Arc::clone(&mine), Interest::READABLE);
            (mine, peer, token.unwrap())
        });
        let sources = sources.collect();
        let fault = Fault::of(&event_loop);
        Self {
            event_loop,
            handle,
            fault,
            turn: Turn::default(),
            now: 1 << 50,
            sources,
            armed: BTreeMap::new(),
            posted: Vec::new(),
            taken: Vec::new(),
        }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Arm(id, delay) => {
                self.event_loop
                    .wheel_mut()
                    .arm(TimerId(id), self.now + delay);
                self.armed.insert(id, self.now + delay);
            }
            Step::Cancel(id) => {
                let was_armed = self.armed.remove(&id).is_some();
                assert_eq!(self.event_loop.wheel_mut().cancel(TimerId(id)), was_armed);
            }
            Step::PeerWrites(at) => {
                rustix::io::write(&self.sources[at].1, b"x").unwrap();
            }
            Step::Reads(at) => self.read(at),
            Step::Posts(command) => {
                self.handle.post(command).unwrap();
                self.posted.push(command);
            }
            Step::Steps(by) => self.now = self.now.saturating_add_signed(by),
            Step::FaultBegins => self.fault.begins(),
            Step::FaultEnds => self.fault.ends(),
            Step::Turns => drop(self.turn()),
        }
    }

    fn read(&mut self, at: usize) {
        let (mine, _, token) = &self.sources[at];
        if rustix::io::read(mine, &mut [0u8; 1]).is_err() {
            self.event_loop
                .reactor_mut()
                .drained(*token, Readiness::READABLE);
        }
    }

    /// Runs a turn, which may fail. The sources that it reported.
    fn turn(&mut self) -> BTreeSet<usize> {
        let _failed = self
            .event_loop
            .turn(self.now, Some(Duration::ZERO), &mut self.turn);
        for id in &self.turn.due {
            let deadline = self.armed.remove(&id.0);
            assert!(
                deadline.is_some_and(|deadline| deadline <= self.now),
                "{id:?} was due at {deadline:?} and fired at {}",
                self.now
            );
        }
        self.taken.extend_from_slice(&self.turn.commands);
        let index = |token| self.sources.iter().position(|source| source.2 == token);
        let ready = self.turn.ready.iter().map(|event| index(event.token));
        ready.map(|at| at.expect("a registered source")).collect()
    }

    /// Ends the fault and runs turns until everything was collected.
    fn settle(&mut self) {
        self.fault.ends();
        let mut reported = BTreeSet::new();
        for _ in 0..ENOUGH {
            reported.append(&mut self.turn());
        }
        let due: Vec<_> = self
            .armed
            .iter()
            .filter(|&(_, &at)| at <= self.now)
            .collect();
        assert!(due.is_empty(), "{due:?} did not fire by {}", self.now);
        for at in 0..self.sources.len() {
            let pending = rustix::io::ioctl_fionread(&self.sources[at].0).unwrap();
            assert!(
                pending == 0 || reported.contains(&at),
                "{pending} bytes wait in source {at}, which was not reported"
            );
        }
        assert_eq!(self.taken, self.posted);
    }

    /// The alarm makes the selector readable at the next deadline, wherever the clock has stepped to.
    fn assert_alarmed(&mut self) {
        for id in 0..TIMERS {
            self.event_loop.wheel_mut().cancel(TimerId(id));
        }
        self.armed.clear();
        self.event_loop
            .wheel_mut()
            .arm(TimerId(0), self.now + 3_000_000);
        self.armed.insert(0, self.now + 3_000_000);
        self.event_loop.set_alarm(self.now).unwrap();
        for (at, _) in self.sources.iter().enumerate() {
            let (mine, _, token) = &self.sources[at];
            while rustix::io::read(mine, &mut [0u8; 1]).is_ok() {}
            self.event_loop
                .reactor_mut()
                .drained(*token, Readiness::READABLE);
        }
        assert!(
            self.wakes(),
            "no alarm within a second of a deadline in 3 ms"
        );
    }

    /// Whether the selector becomes readable within a second.
    fn wakes(&self) -> bool {
        // SAFETY: the selector is open as long as the loop.
        let selector = unsafe { BorrowedFd::borrow_raw(self.event_loop.as_raw_fd()) };
        let mut fds = [PollFd::from_borrowed_fd(selector, PollFlags::IN)];
        let second = Timespec {
            tv_sec: 1,
            tv_nsec: 0,
        };
        poll(&mut fds, Some(&second)).unwrap() == 1
    }
}

const SOURCES: usize = 5;
const TIMERS: u32 = 12;
/// Turns in which the smallest budgets collect everything.
const ENOUGH: usize = 40;

fn step() -> impl Strategy<Value = Step> {
    let source = 0..SOURCES;
    prop_oneof![
        4 => (0..TIMERS, 0..5_000_000u64).prop_map(|(id, delay)| Step::Arm(id, delay)),
        1 => (0..TIMERS).prop_map(Step::Cancel),
        3 => source.clone().prop_map(Step::PeerWrites),
        3 => source.prop_map(Step::Reads),
        1 => any::<u32>().prop_map(Step::Posts),
        2 => (0..3_000_000i64).prop_map(Step::Steps),
        1 => (-7_200_000_000_000..7_200_000_000_000i64).prop_map(Step::Steps),
        2 => Just(Step::FaultBegins),
        2 => Just(Step::FaultEnds),
        5 => Just(Step::Turns),
    ]
}

fn budgets() -> impl Strategy<Value = Budgets> {
    (1..4usize, 1..4usize).prop_map(|(timers, events)| Budgets {
        timers,
        events,
        ..Budgets::default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_by_turns_that_fail(
        budgets in budgets(),
        steps in proptest::collection::vec(step(), 0..80),
        clock_steps in any::<bool>(),
    ) {
        let mut world = World::new(budgets, clock_steps);
        for step in &steps {
            world.take(step);
        }
        world.settle();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn the_alarm_fires_at_the_next_deadline_wherever_the_clock_went(
        budgets in budgets(),
        steps in proptest::collection::vec(step(), 0..80),
    ) {
        let mut world = World::new(budgets, true);
        for step in &steps {
            world.take(step);
        }
        world.settle();
        world.assert_alarmed();
    }
}

#[test]
fn a_turn_that_fails_returns_what_it_collected() {
    let mut world = World::new(Budgets::default(), false);
    for at in 0..SOURCES {
        world.take(&Step::PeerWrites(at));
    }
    assert_eq!(world.turn().len(), SOURCES);
    world.take(&Step::Arm(0, 0));
    world.take(&Step::PeerWrites(0));
    world.fault.begins();
    let now = world.now;
    let failed = world
        .event_loop
        .turn(now, Some(Duration::ZERO), &mut world.turn);
    assert_eq!(
        failed.unwrap_err().errno(),
        rustix::io::Errno::INVAL.raw_os_error()
    );
    assert_eq!(world.turn.due, [TimerId(0)]);
    // The ready list was rechecked, which needs no selector; its sources could not be verified.
    assert_eq!(world.turn.ready.len(), SOURCES);
    assert!(world.turn.alarmed);
}

#[test]
fn a_turn_that_fails_sets_the_alarm() {
    let mut world = World::new(Budgets::default(), false);
    world.fault.begins();
    world.take(&Step::Arm(0, 3_000_000));
    world.turn();
    world.fault.ends();
    assert!(world.wakes());
}

#[test]
fn a_rebuild_that_fails_keeps_the_selector_with_all_its_sources() {
    let mut world = World::new(Budgets::default(), false);
    let before = world.event_loop.as_raw_fd();
    for _ in 0..3 {
        let refused = world
            .event_loop
            .rebuild(|_| Err(rustix::io::Errno::MFILE.into()));
        assert_eq!(
            refused.unwrap_err().errno(),
            rustix::io::Errno::MFILE.raw_os_error()
        );
        assert_eq!(world.event_loop.as_raw_fd(), before);
    }
    for at in 0..SOURCES {
        world.take(&Step::PeerWrites(at));
    }
    world.take(&Step::Posts(7));
    assert_eq!(world.turn().len(), SOURCES);
    assert_eq!(world.taken, [7]);
}

#[test]
fn a_rebuild_keeps_sources_alarm_and_waker() {
    let mut world = World::new(Budgets::default(), false);
    let before = world.event_loop.as_raw_fd();
    world.take(&Step::PeerWrites(1));
    world.take(&Step::Posts(7));
    let mut watched = None;
    world
        .event_loop
        .rebuild(|set| {
            watched = set.descriptor();
            Ok(())
        })
        .unwrap();
    assert_ne!(world.event_loop.as_raw_fd(), before);
    assert_eq!(watched, Some(world.event_loop.as_raw_fd()));
    world.fault = Fault::of(&world.event_loop);
    assert_eq!(world.turn(), BTreeSet::from([1]));
    assert_eq!(world.taken, [7]);
    world.take(&Step::Posts(8));
    world.take(&Step::Reads(1));
    world.assert_alarmed();
    world.turn();
    assert_eq!(world.taken, [7, 8]);
}
