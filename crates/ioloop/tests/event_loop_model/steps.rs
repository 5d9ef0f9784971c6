//! What happens to a loop: the steps of a run, at random.

use ioloop::event_loop::{Budgets, SLACK_BURST};
use ioloop::reactor::Interest;
use proptest::prelude::*;

use super::{PAIRS, TIMERS};

#[derive(Clone, Debug)]
pub(super) enum Step {
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

fn interest() -> impl Strategy<Value = Interest> {
    prop_oneof![
        1 => Just(Interest::empty()),
        4 => Just(Interest::READABLE),
        1 => Just(Interest::WRITABLE),
        2 => Just(Interest::READABLE | Interest::WRITABLE),
    ]
}

pub(super) fn step() -> impl Strategy<Value = Step> {
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

pub(super) fn budgets() -> impl Strategy<Value = Budgets> {
    let timers = prop_oneof![1..4_usize, Just(SLACK_BURST), Just(4_096)];
    let events = prop_oneof![1..4_usize, Just(1_024)];
    (timers, events).prop_map(|(timers, events)| Budgets {
        timers,
        events,
        ..Budgets::default()
    })
}
