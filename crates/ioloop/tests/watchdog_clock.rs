//! The clock of a watched thread: by what the system says about it, and against a thread whose history
//! is known.

use std::time::Duration;

use ioloop::watchdog::{AttentiveClock, LONGEST_STEP, Moment, Usage};
use proptest::prelude::*;

const MS: Duration = Duration::from_millis(1);

/// No other thread waits for a CPU.
fn no_others(_: Duration) -> Duration {
    Duration::ZERO
}

/// A thread that has run and waited for so many milliseconds, and has gone to sleep so often.
fn usage(cpu: u32, waits: u32, sleeps: u64, is_runnable: bool) -> Usage {
    Usage {
        cpu_before: cpu * MS,
        cpu: cpu * MS,
        waits_before: waits * MS,
        waits: waits * MS,
        sleeps: Some(sleeps),
        is_runnable,
    }
}

/// The moments of a clock, in milliseconds: at these looks.
fn moments(looks: &[(u32, Usage)]) -> Vec<(u128, u128)> {
    let mut clock = AttentiveClock::default();
    let looks = looks.iter();
    let moments = looks.map(|&(at, usage)| clock.advance(at * MS, Some(usage), no_others));
    moments
        .map(|Moment { least, most }| (least.as_millis(), most.as_millis()))
        .collect()
}

/// The same, of looks at which the moment is known.
fn times(looks: &[(u32, Usage)]) -> Vec<u128> {
    let moments = moments(looks).into_iter();
    moments
        .map(|(least, most)| {
            assert_eq!(least, most);
            least
        })
        .collect()
}

/// A moment that is known.
const fn at(time: Duration) -> Moment {
    Moment {
        least: time,
        most: time,
    }
}

#[test]
fn a_pause_of_the_looking_thread_counts_as_one_step() {
    let mut clock = AttentiveClock::default();
    assert_eq!(
        clock.advance(1_000 * MS, None, no_others),
        at(Duration::ZERO)
    );
    clock.advance(1_001 * MS, None, no_others);
    // Stopped for an hour, and continued: the loop had no chance to make progress either.
    let after = clock.advance(3_600_000 * MS, None, no_others);
    assert_eq!(after, at(MS + LONGEST_STEP));
}

#[test]
fn a_clock_that_goes_back_stands_still() {
    let mut clock = AttentiveClock::default();
    clock.advance(10 * MS, None, no_others);
    assert_eq!(clock.advance(15 * MS, None, no_others), at(5 * MS));
    assert_eq!(clock.advance(2 * MS, None, no_others), at(5 * MS));
    assert_eq!(clock.advance(4 * MS, None, no_others), at(7 * MS));
}

#[test]
fn a_thread_that_never_sleeps_has_the_time_of_its_cpu() {
    let looks = [
        (0, usage(50, 5, 3, true)),
        (10, usage(60, 5, 3, true)),
        // It waits for a CPU, which the system counts when the wait ends.
        (20, usage(62, 5, 3, true)),
        (500, usage(62, 5, 3, true)),
        (510, usage(64, 501, 3, true)),
    ];
    assert_eq!(times(&looks), [0, 10, 12, 12, 14]);
}

#[test]
fn a_late_look_counts_the_time_in_which_the_thread_has_run() {
    let looks = [(0, usage(0, 0, 1, true)), (300, usage(250, 50, 1, true))];
    assert_eq!(times(&looks), [0, 250]);
    let asleep = [(0, usage(0, 0, 1, false)), (300, usage(0, 0, 1, false))];
    assert_eq!(times(&asleep), [0, LONGEST_STEP.as_millis()]);
}

#[test]
fn sleep_before_a_wait_counts_when_the_wait_has_ended() {
    let looks = [
        (0, usage(0, 7, 1, false)),
        (10, usage(4, 9, 2, false)),
        // It has woken, and waits: for how long is not known.
        (20, usage(4, 9, 2, true)),
        (30, usage(4, 9, 2, true)),
        (40, usage(4, 9, 2, true)),
        // It has waited for 30 ms, and slept for 8.
        (50, usage(6, 39, 3, false)),
        (60, usage(6, 39, 3, false)),
    ];
    let expected = [
        (0, 0),
        (8, 8),
        (8, 18),
        (8, 18),
        (8, 18),
        (18, 18),
        (28, 28),
    ];
    assert_eq!(moments(&looks), expected);
}

#[test]
fn sleep_before_a_run_counts_once_the_thread_is_seen_to_run() {
    let looks = [
        (0, usage(0, 0, 1, false)),
        // It has run for 3 of 10 ms, and was asleep or waits in the others.
        (10, usage(3, 0, 1, true)),
        (11, usage(4, 0, 1, true)),
    ];
    assert_eq!(moments(&looks), [(0, 0), (3, 10), (11, 11)]);
}

#[test]
fn no_wait_is_left_out_twice() {
    let looks = [
        (0, usage(0, 0, 0, true)),
        (10, usage(0, 0, 0, true)),
        (20, usage(4, 16, 1, false)),
        (30, usage(4, 16, 1, false)),
        // Both threads have waited: the look is late.
        (530, usage(5, 400, 2, false)),
        (540, usage(5, 400, 2, false)),
    ];
    assert_eq!(times(&looks), [0, 0, 4, 14, 35, 45]);
}

#[test]
fn time_that_the_machine_has_lost_does_not_count() {
    // The machine under this one has taken its CPU: the thread has neither run nor waited.
    let looks = [
        (0, usage(0, 0, 0, true)),
        (100, usage(10, 0, 0, true)),
        (110, usage(10, 0, 1, false)),
        (120, usage(10, 10, 2, false)),
    ];
    assert_eq!(times(&looks), [0, 10, 20, 20]);
}

#[test]
fn a_look_during_which_the_looking_thread_loses_its_cpu_counts_no_wait() {
    let late = |cpu_before, cpu, waits, sleeps| Usage {
        cpu_before: cpu_before * MS,
        ..usage(cpu, waits, sleeps, true)
    };
    let looks = [
        (0, usage(0, 0, 1, false)),
        // It has waited from 5 to 101, and run for 30 before its CPU time was read again.
        (100, late(0, 30, 96, 1)),
        (140, late(39, 39, 96, 1)),
        (150, usage(39, 96, 2, false)),
    ];
    let least: Vec<u128> = moments(&looks).iter().map(|&(least, _)| least).collect();
    assert_eq!(least, [0, 30, 39, 53]);
}

#[test]
fn a_thread_that_sleeps_while_another_one_waits_for_a_cpu_may_wait_for_it() {
    let mut clock = AttentiveClock::default();
    let asleep = Some(usage(5, 0, 1, false));
    clock.advance(Duration::ZERO, asleep, no_others);
    let mut least = |at, usage, waits: u32| {
        let moment = clock.advance(at * MS, Some(usage), |_| waits * MS);
        moment.least.as_millis()
    };
    assert_eq!(least(10, usage(5, 0, 1, false), 10), 0);
    assert_eq!(least(20, usage(5, 0, 1, false), 4), 6);
    assert_eq!(least(30, usage(5, 0, 1, false), 0), 16);
    // A thread that has not slept waits for nothing.
    assert_eq!(least(40, usage(15, 0, 2, true), 10), 26);
    assert_eq!(least(50, usage(25, 0, 2, true), 10), 36);
}

/// What a thread has done: run, waited for a CPU, slept, in microseconds, again and again.
type History = Vec<(u32, u32, u32)>;

/// What the system has counted at a time, in microseconds; and the time in which the thread has run
/// or slept.
struct Counts {
    cpu: u32,
    waits: u32,
    sleeps: u64,
    slices: u64,
    is_runnable: bool,
    counted: u32,
}

fn counts(history: &History, at: u32) -> Counts {
    let (mut left, mut counts) = (
        at,
        Counts {
            cpu: 0,
            waits: 0,
            sleeps: 0,
            slices: 0,
            is_runnable: true,
            counted: 0,
        },
    );
    let mut spend = |most: u32| {
        let spent = left.min(most);
        left -= spent;
        (spent, spent == most)
    };
    for &(run, wait, sleep) in history.iter().cycle() {
        let (slept, has_woken) = spend(sleep);
        counts.counted += slept;
        counts.is_runnable = has_woken;
        if !has_woken {
            break;
        }
        let (waited, has_cpu) = spend(wait);
        if !has_cpu {
            break;
        }
        counts.waits += waited;
        counts.slices += 1;
        let (ran, is_over) = spend(run);
        counts.cpu += ran;
        counts.counted += ran;
        if !is_over {
            break;
        }
        counts.sleeps += 1;
    }
    counts
}

/// A look in five readings, as in `facts.rs`; between two of them the looking thread may lose its
/// CPU.
fn look(history: &History, at: &mut u32, pauses: [u32; 5]) -> (Duration, Usage) {
    let mut then = |pause: u32| {
        *at += pause;
        *at
    };
    let before = counts(history, then(0));
    let cpu_before = counts(history, then(pauses[0])).cpu;
    let now = then(pauses[1]);
    let cpu = counts(history, then(pauses[2])).cpu;
    let present = counts(history, then(pauses[3]));
    let after = counts(history, then(pauses[4]));
    let is_steady = before.slices == after.slices;
    let usage = Usage {
        cpu_before: micros(cpu_before),
        cpu: micros(cpu),
        waits_before: micros(before.waits),
        waits: micros(after.waits),
        sleeps: is_steady.then_some(present.sleeps),
        is_runnable: present.is_runnable || !is_steady,
    };
    (micros(now), usage)
}

fn micros(count: u32) -> Duration {
    Duration::from_micros(count.into())
}

fn histories() -> impl Strategy<Value = History> {
    let part = || prop_oneof![0..300_u32, 0..30_000_u32];
    prop::collection::vec((100..20_000_u32, part(), part()), 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256, max_shrink_iters: 1_000, failure_persistence: None, ..Default::default()
    })]

    /// The time between two moments is that in which the thread has run or slept, at most, and the
    /// time of a look.
    #[test]
    fn the_clock_is_never_ahead(
        history in histories(),
        looks in prop::collection::vec(
            (prop_oneof![3 => 5_000..15_000_u32, 1 => 0..300_u32, 1 => 0..90_000_u32], prop::array::uniform5(prop_oneof![9 => 0..20_u32, 1 => 0..200_u32])),
            2..60,
        ),
    ) {
        let mut clock = AttentiveClock::default();
        let mut at = 0;
        let mut seen = Vec::new();
        for (pause, pauses) in looks {
            at += pause;
            let began = counts(&history, at).counted;
            let (now, usage) = look(&history, &mut at, pauses);
            let moment = clock.advance(now, Some(usage), no_others);
            seen.push((began, counts(&history, at).counted, moment));
        }
        for (index, &(began, _, since)) in seen.iter().enumerate() {
            for &(_, ended, moment) in &seen[index..] {
                let counted = moment.least.saturating_sub(since.most);
                prop_assert!(counted <= micros(ended - began) + MS, "{counted:?} of {}", ended - began);
            }
        }
    }

    /// With looks in time the clock is behind by the time between two looks at most, and the part of
    /// the first wait before the first look.
    #[test]
    fn the_clock_is_not_far_behind(history in histories()) {
        let mut clock = AttentiveClock::default();
        for index in 0..60 {
            let mut at = index * 10_000;
            let (now, usage) = look(&history, &mut at, [0; 5]);
            let mut moment = clock.advance(now, Some(usage), no_others);
            if usage.is_runnable {
                at += 20;
                let (now, usage) = look(&history, &mut at, [0; 5]);
                moment = clock.advance(now, Some(usage), no_others);
            }
            let truth = micros(counts(&history, at).counted);
            prop_assert!(truth.saturating_sub(moment.least) <= 30 * MS, "{truth:?} {moment:?}");
        }
    }
}
