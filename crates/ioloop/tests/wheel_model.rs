//! The wheel against a model: a map ordered by (deadline, insertion).

use std::collections::{BTreeMap, HashMap};

use ioloop::timer::{TimerId, Wheel};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Arm { id: u32, deadline: Deadline },
    Cancel { id: u32 },
    Expire { forward: u64, budget: usize },
    ExpireAtNextWake { budget: usize },
    ExpireInThePast { back: u64 },
}

#[derive(Clone, Debug)]
enum Deadline {
    Ahead(u64),
    Past(u64),
    At(u64),
}

#[derive(Default)]
struct Model {
    pending: BTreeMap<(u64, u64), u32>,
    keys: HashMap<u32, (u64, u64)>,
    insertions: u64,
}

impl Model {
    fn arm(&mut self, id: u32, deadline: u64) {
        self.cancel(id);
        self.insertions += 1;
        self.pending.insert((deadline, self.insertions), id);
        self.keys.insert(id, (deadline, self.insertions));
    }

    fn cancel(&mut self, id: u32) -> bool {
        self.keys
            .remove(&id)
            .is_some_and(|key| self.pending.remove(&key).is_some())
    }

    fn earliest(&self) -> Option<u64> {
        self.pending
            .first_key_value()
            .map(|(&(deadline, _), _)| deadline)
    }

    fn expire(&mut self, now: u64, budget: usize) -> Vec<TimerId> {
        let mut due = Vec::new();
        while due.len() < budget && self.earliest().is_some_and(|deadline| deadline <= now) {
            let (_, id) = self.pending.pop_first().expect("an earliest timer");
            self.keys.remove(&id);
            due.push(TimerId(id));
        }
        due
    }
}

/// The wheel and the model side by side.
struct Pair {
    wheel: Wheel,
    model: Model,
    now: u64,
}

impl Pair {
    fn new(now: u64) -> Self {
        let mut wheel = Wheel::new();
        wheel.expire(now, 0, &mut Vec::new());
        Self {
            wheel,
            model: Model::default(),
            now,
        }
    }

    fn apply(&mut self, step: &Step) {
        match *step {
            Step::Arm { id, ref deadline } => {
                let deadline = match *deadline {
                    Deadline::Ahead(ticks) => self.now.saturating_add(ticks),
                    Deadline::Past(ticks) => self.now.saturating_sub(ticks),
                    Deadline::At(tick) => tick,
                };
                self.wheel.arm(TimerId(id), deadline);
                self.model.arm(id, deadline);
            }
            Step::Cancel { id } => {
                assert_eq!(
                    self.wheel.cancel(TimerId(id)),
                    self.model.cancel(id),
                    "cancel {id}"
                );
            }
            Step::Expire { forward, budget } => {
                self.now = self.now.saturating_add(forward);
                self.expire(self.now, budget);
            }
            Step::ExpireAtNextWake { budget } => {
                self.now = self.wheel.next_wake().unwrap_or(self.now).max(self.now);
                self.expire(self.now, budget);
            }
            Step::ExpireInThePast { back } => {
                self.expire(self.now.saturating_sub(back), usize::MAX);
            }
        }
        self.check();
    }

    #[track_caller]
    fn expire(&mut self, now: u64, budget: usize) {
        let mut due = Vec::new();
        self.wheel.expire(now, budget, &mut due);
        assert_eq!(due, self.model.expire(now, budget), "expire {now} {budget}");
    }

    #[track_caller]
    fn check(&self) {
        assert_eq!(self.wheel.len(), self.model.pending.len());
        assert_eq!(self.wheel.is_empty(), self.model.pending.is_empty());
        let earliest = self.model.earliest();
        let wake = self.wheel.next_wake();
        assert_eq!(wake.is_some(), earliest.is_some());
        assert!(wake <= earliest, "{wake:?} {earliest:?}");
        if self.wheel.len() <= 16 {
            assert_eq!(wake, earliest, "few timers, so an exact answer");
        }
    }

    /// Wakes as a loop would until nothing is left, and how often that was.
    fn run_out(&mut self) -> usize {
        let mut wakes = 0;
        while let Some(wake) = self.wheel.next_wake() {
            self.now = self.now.max(wake);
            self.expire(self.now, usize::MAX);
            self.check();
            wakes += 1;
        }
        assert!(self.model.pending.is_empty());
        wakes
    }
}

fn ticks() -> impl Strategy<Value = u64> {
    // A few distinct values at every magnitude, so that equal deadlines and slot borders are common.
    (0u32..64, 0u64..4, -2i64..3)
        .prop_map(|(bit, steps, near)| (steps << bit.min(61)).saturating_add_signed(near))
}

fn near_ticks() -> impl Strategy<Value = u64> {
    prop_oneof![
        0u64..8,
        0u64..1 << 21,
        (0u64..8).prop_map(|slots| slots << 20),
        0u64..1 << 28
    ]
}

fn deadline() -> impl Strategy<Value = Deadline> {
    prop_oneof![
        6 => near_ticks().prop_map(Deadline::Ahead),
        4 => ticks().prop_map(Deadline::Ahead),
        2 => near_ticks().prop_map(Deadline::Past),
        1 => ticks().prop_map(Deadline::At),
        1 => (0u64..4).prop_map(|back| Deadline::At(u64::MAX - back)),
    ]
}

fn budget() -> impl Strategy<Value = usize> {
    prop_oneof![0usize..6, Just(usize::MAX)]
}

fn step(ids: u32) -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => (0..ids, deadline()).prop_map(|(id, deadline)| Step::Arm { id, deadline }),
        6 => (0..ids).prop_map(|id| Step::Cancel { id }),
        3 => (near_ticks(), budget()).prop_map(|(forward, budget)| Step::Expire { forward, budget }),
        1 => (ticks(), budget()).prop_map(|(forward, budget)| Step::Expire { forward, budget }),
        2 => budget().prop_map(|budget| Step::ExpireAtNextWake { budget }),
        1 => near_ticks().prop_map(|back| Step::ExpireInThePast { back }),
    ]
}

fn start() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        any::<u64>(),
        0u64..1 << 50,
        (0u64..1 << 20).prop_map(|back| u64::MAX - back),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_wheel_does_what_the_model_does(now in start(), steps in prop::collection::vec(step(24), 0..300)) {
        let mut pair = Pair::new(now);
        for step in &steps {
            pair.apply(step);
        }
        pair.run_out();
    }

    #[test]
    fn the_wheel_does_what_the_model_does_with_full_slots(
        now in start(),
        steps in prop::collection::vec(step(400), 0..1_000),
    ) {
        let mut pair = Pair::new(now);
        for step in &steps {
            pair.apply(step);
        }
        pair.run_out();
    }

    #[test]
    fn a_timer_costs_at_most_nine_wakes(
        now in start(),
        deadlines in prop::collection::vec(deadline(), 1..500),
    ) {
        let mut pair = Pair::new(now);
        for (id, deadline) in (0..).zip(deadlines.iter().cloned()) {
            pair.apply(&Step::Arm { id, deadline });
        }
        let wakes = pair.run_out();
        prop_assert!(wakes <= 9 * deadlines.len(), "{} wakes", wakes);
    }
}
