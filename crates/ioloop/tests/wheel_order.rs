//! The order in which timers fire, and when they do not.

use ioloop::timer::{TimerId, Wheel};

const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MILLISECOND;
const DAY: u64 = 86_400 * SECOND;

fn expire(wheel: &mut Wheel, now: u64, budget: usize) -> Vec<u32> {
    let mut due = Vec::new();
    wheel.expire(now, budget, &mut due);
    due.into_iter().map(|id| id.0).collect()
}

fn armed(deadlines: &[u64]) -> Wheel {
    let mut wheel = Wheel::new();
    for (id, deadline) in (0..).zip(deadlines) {
        wheel.arm(TimerId(id), *deadline);
    }
    wheel
}

#[test]
fn deadlines_a_nanosecond_apart_fire_in_their_order() {
    let mut wheel = armed(&[SECOND + 2, SECOND, SECOND + 1]);
    assert_eq!(expire(&mut wheel, 2 * SECOND, usize::MAX), [1, 2, 0]);
}

#[test]
fn equal_deadlines_fire_in_the_order_of_insertion_whatever_their_ids() {
    let mut wheel = Wheel::new();
    for id in [7, 3, 9, 1] {
        wheel.arm(TimerId(id), SECOND);
    }
    assert_eq!(expire(&mut wheel, SECOND, usize::MAX), [7, 3, 9, 1]);
}

#[test]
fn equal_deadlines_keep_their_order_when_they_were_armed_from_different_distances() {
    let deadline = 10 * SECOND;
    let mut wheel = Wheel::new();
    let distances = [10 * SECOND, SECOND, 30 * MILLISECOND, 2 * MILLISECOND, 1];
    for (id, distance) in [5, 4, 3, 2, 1].into_iter().zip(distances) {
        assert_eq!(expire(&mut wheel, deadline - distance, usize::MAX), []);
        wheel.arm(TimerId(id), deadline);
    }
    assert_eq!(expire(&mut wheel, deadline, usize::MAX), [5, 4, 3, 2, 1]);
}

#[test]
fn a_timer_never_fires_a_nanosecond_early() {
    for deadline in [1, MILLISECOND, SECOND, 400 * DAY, u64::MAX] {
        let mut wheel = armed(&[deadline]);
        assert_eq!(expire(&mut wheel, deadline - 1, usize::MAX), []);
        assert_eq!(expire(&mut wheel, deadline, usize::MAX), [0]);
    }
}

#[test]
fn arming_an_armed_timer_moves_it_after_equal_deadlines() {
    let mut wheel = armed(&[SECOND, SECOND, SECOND]);
    wheel.arm(TimerId(0), SECOND);
    assert_eq!(wheel.len(), 3);
    assert_eq!(expire(&mut wheel, SECOND, usize::MAX), [1, 2, 0]);
}

#[test]
fn timers_beyond_the_budget_keep_their_order_with_those_due_meanwhile() {
    let mut wheel = armed(&[30, 10, 20, 5 * SECOND, SECOND]);
    assert_eq!(expire(&mut wheel, SECOND, 1), [1]);
    assert_eq!(wheel.next_wake(), Some(20));
    wheel.arm(TimerId(9), 25);
    wheel.arm(TimerId(8), 2 * SECOND);
    assert_eq!(expire(&mut wheel, 5 * SECOND, 3), [2, 9, 0]);
    assert_eq!(expire(&mut wheel, 5 * SECOND, 9), [4, 8, 3]);
    assert_eq!(wheel.next_wake(), None);
}

#[test]
fn a_budget_of_zero_fires_nothing_and_loses_nothing() {
    let mut wheel = armed(&[10, SECOND]);
    assert_eq!(expire(&mut wheel, DAY, 0), []);
    assert_eq!(expire(&mut wheel, DAY, 2), [0, 1]);
}

#[test]
fn expired_ids_are_appended_and_the_budget_counts_only_them() {
    let mut wheel = armed(&[1, 2, 3]);
    let mut due = vec![TimerId(77)];
    wheel.expire(3, 2, &mut due);
    assert_eq!(due, [TimerId(77), TimerId(0), TimerId(1)]);
}

#[test]
fn time_that_goes_backwards_loses_nothing_and_fires_nothing_early() {
    let mut wheel = armed(&[2 * SECOND, SECOND]);
    assert_eq!(expire(&mut wheel, SECOND + 1, usize::MAX), [1]);
    wheel.arm(TimerId(5), SECOND / 2);
    assert_eq!(expire(&mut wheel, SECOND / 2 - 1, usize::MAX), []);
    assert_eq!(expire(&mut wheel, SECOND / 2, usize::MAX), [5]);
    assert_eq!(expire(&mut wheel, 2 * SECOND, usize::MAX), [0]);
}

#[test]
fn deadlines_of_every_magnitude_fire_in_one_jump() {
    let mut deadlines: Vec<u64> = (0..64).map(|bit| 1u64 << bit).collect();
    deadlines.extend([
        400 * DAY,
        (1 << 31) * MILLISECOND,
        292 * 365 * DAY,
        u64::MAX,
    ]);
    let mut wheel = armed(&deadlines);
    let fired = expire(&mut wheel, u64::MAX, usize::MAX);
    let mut expected: Vec<u32> = (0..).take(deadlines.len()).collect();
    expected.sort_by_key(|id| deadlines[*id as usize]);
    assert_eq!(fired, expected);
}

#[test]
fn a_timer_cancelled_anywhere_does_not_fire_and_its_id_is_free_again() {
    for deadline in [0, MILLISECOND / 2, SECOND, 400 * DAY] {
        for gone in 0..40 {
            let mut wheel = armed(&[deadline; 40]);
            assert!(wheel.cancel(TimerId(gone)));
            assert!(!wheel.cancel(TimerId(gone)));
            let rest: Vec<u32> = (0..40).filter(|id| *id != gone).collect();
            assert_eq!(expire(&mut wheel, deadline, usize::MAX), rest);
            wheel.arm(TimerId(gone), deadline);
            assert_eq!(expire(&mut wheel, deadline, usize::MAX), [gone]);
        }
    }
}

#[test]
fn a_timer_that_fired_or_never_was_is_not_cancelled() {
    let mut wheel = armed(&[1]);
    assert_eq!(expire(&mut wheel, 1, usize::MAX), [0]);
    assert!(!wheel.cancel(TimerId(0)));
    assert!(!wheel.cancel(TimerId(u32::MAX)));
}

#[test]
fn the_next_wake_follows_the_earliest_timer() {
    let mut wheel = armed(&[5 * SECOND, 3 * SECOND]);
    assert_eq!(wheel.next_wake(), Some(3 * SECOND));
    wheel.cancel(TimerId(1));
    assert_eq!(wheel.next_wake(), Some(5 * SECOND));
    wheel.cancel(TimerId(0));
    assert_eq!(wheel.next_wake(), None);
}

#[test]
fn a_full_slot_is_woken_for_at_its_start_and_then_exactly() {
    let deadline = 4_096 * (1 << 20) + 77;
    let mut wheel = armed(&[deadline; 100]);
    let wake = wheel.next_wake().expect("timers are pending");
    assert_eq!(wake, 4_096 * (1 << 20));
    assert_eq!(expire(&mut wheel, wake, usize::MAX), []);
    assert_eq!(wheel.next_wake(), Some(deadline));
}

#[test]
fn lateness_is_that_of_the_first_timer_of_the_last_call() {
    let mut wheel = Wheel::new();
    let mut due = Vec::new();
    wheel.arm(TimerId(0), 5_000_000_000);
    wheel.arm(TimerId(1), 3_000_000_000);
    wheel.expire(1_000_000_000, usize::MAX, &mut due);
    assert_eq!((due.len(), wheel.lateness()), (0, 0));
    wheel.expire(6_000_000_000, usize::MAX, &mut due);
    assert_eq!((due.len(), wheel.lateness()), (2, 3_000_000_000));
    wheel.expire(7_000_000_000, usize::MAX, &mut due);
    assert_eq!(wheel.lateness(), 0);
}
