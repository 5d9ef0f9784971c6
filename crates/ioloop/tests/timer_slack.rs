//! Timer slack: after a burst of timers, the next ones are collected together.

use std::os::fd::OwnedFd;
use std::time::Duration;

use ioloop::event_loop::{SLACK_BURST, TIMER_SLACK};
use ioloop::timer::TimerId;
use ioloop::{EventLoop, Turn};

const NOW: u64 = 5_000_000;

/// A loop in which so many timers have just fired, with one more that is due a moment later.
fn after_firing(count: usize) -> (EventLoop<OwnedFd, ()>, Turn<()>) {
    let mut event_loop = EventLoop::new().unwrap();
    for id in 0..u32::try_from(count).unwrap() {
        event_loop.wheel_mut().arm(TimerId(id), NOW);
    }
    event_loop.wheel_mut().arm(TimerId(1_000), NOW + 10);
    let mut turn = Turn::default();
    event_loop.turn(NOW, None, &mut turn).unwrap();
    assert_eq!(turn.due.len(), count);
    (event_loop, turn)
}

#[test]
fn after_a_few_timers_the_next_wake_is_the_next_deadline() {
    let (event_loop, _) = after_firing(SLACK_BURST - 1);
    assert_eq!(event_loop.next_wake(NOW), Some(NOW + 10));
}

#[test]
fn after_a_burst_the_next_wake_is_the_slack_later() {
    let (event_loop, _) = after_firing(SLACK_BURST);
    assert_eq!(event_loop.next_wake(NOW), Some(NOW + TIMER_SLACK));
}

#[test]
fn a_later_deadline_is_not_moved() {
    let (mut event_loop, _) = after_firing(SLACK_BURST);
    assert!(event_loop.wheel_mut().cancel(TimerId(1_000)));
    event_loop
        .wheel_mut()
        .arm(TimerId(1), NOW + 2 * TIMER_SLACK);
    assert_eq!(event_loop.next_wake(NOW), Some(NOW + 2 * TIMER_SLACK));
}

#[test]
fn a_turn_that_has_another_reason_collects_them_without_slack() {
    let (mut event_loop, mut turn) = after_firing(SLACK_BURST);
    event_loop
        .turn(NOW + 10, Some(Duration::ZERO), &mut turn)
        .unwrap();
    assert_eq!(turn.due, [TimerId(1_000)]);
}

#[test]
fn a_clock_that_was_set_back_does_not_make_the_slack_longer() {
    let (mut event_loop, mut turn) = after_firing(SLACK_BURST);
    event_loop
        .turn(NOW + 10, Some(Duration::ZERO), &mut turn)
        .unwrap();
    let past = NOW - 4_000_000;
    event_loop.wheel_mut().arm(TimerId(0), past + 10);
    assert_eq!(event_loop.next_wake(past), Some(past + TIMER_SLACK));
    event_loop
        .wheel_mut()
        .arm(TimerId(0), past + 2 * TIMER_SLACK);
    assert_eq!(event_loop.next_wake(past), Some(past + 2 * TIMER_SLACK));
}
