//! The memory of the wheel: bounded by the pending timers, not by those of the past.

use ioloop::timer::{TimerId, Wheel};

const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MILLISECOND;
const MILLION: u32 = 1_000_000;

/// Numbers that are spread and repeatable (`SplitMix64`).
fn spread(seed: u64) -> u64 {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn million_over_a_minute() -> Wheel {
    let mut wheel = Wheel::new();
    for id in 0..MILLION {
        wheel.arm(TimerId(id), spread(id.into()) % (60 * SECOND));
    }
    wheel
}

#[test]
fn a_million_pending_timers_cost_at_most_34_bytes_each() {
    let wheel = million_over_a_minute();
    assert_eq!(wheel.len(), 1_000_000);
    let each = wheel.heap_bytes() / wheel.len();
    assert!(each <= 34, "{each} bytes for each timer");
}

#[test]
fn a_million_cancelled_timers_leave_nothing() {
    let mut wheel = million_over_a_minute();
    let mut ids: Vec<u32> = (0..MILLION).collect();
    ids.sort_by_key(|id| spread(u64::from(*id) + 7));
    for id in ids {
        assert!(wheel.cancel(TimerId(id)));
    }
    assert!(wheel.heap_bytes() < 64 << 10, "{}", wheel.heap_bytes());
}

#[test]
fn a_million_fired_timers_leave_nothing() {
    let mut wheel = million_over_a_minute();
    let mut due = Vec::new();
    wheel.expire(60 * SECOND, usize::MAX, &mut due);
    assert_eq!(due.len(), 1_000_000);
    assert!(wheel.heap_bytes() < 64 << 10, "{}", wheel.heap_bytes());
}

#[test]
fn an_idle_timeout_reset_for_ever_does_not_grow_the_wheel() {
    let mut wheel = Wheel::new();
    let mut now = 0;
    for round in 0..3_000_000u64 {
        now += 5_000;
        let id = u32::try_from(spread(round) % 1_000).expect("a small number");
        wheel.arm(TimerId(id), now + 60 * SECOND);
        if round % 200 == 0 {
            wheel.expire(now, usize::MAX, &mut Vec::new());
        }
    }
    assert!(wheel.len() <= 1_000);
    assert!(wheel.heap_bytes() < 256 << 10, "{}", wheel.heap_bytes());
}

#[test]
fn arming_and_cancelling_in_the_present_does_not_grow_the_front() {
    for survivors in [0, 1, 100] {
        let mut wheel = Wheel::new();
        wheel.expire(SECOND, 0, &mut Vec::new());
        for id in 0..survivors {
            wheel.arm(TimerId(1_000 + id), 3);
        }
        for round in 0..1_000_000u64 {
            let id = TimerId(u32::try_from(round % 10).expect("a small number"));
            wheel.arm(id, SECOND - spread(round) % SECOND);
            wheel.cancel(TimerId(
                u32::try_from(spread(round) % 10).expect("a small number"),
            ));
        }
        assert!(
            wheel.heap_bytes() < 64 << 10,
            "{survivors}: {}",
            wheel.heap_bytes()
        );
    }
}

#[test]
fn arming_and_cancelling_at_once_leaves_nothing_under_pending_timers() {
    let mut wheel = Wheel::new();
    for id in 0..1_000 {
        wheel.arm(TimerId(id), SECOND + u64::from(id));
    }
    wheel.arm(TimerId(1_000), SECOND);
    wheel.cancel(TimerId(1_000));
    let before = wheel.heap_bytes();
    for round in 0..100_000 {
        wheel.arm(TimerId(1_000), SECOND + round % 1_000);
        wheel.cancel(TimerId(1_000));
    }
    assert_eq!(wheel.heap_bytes(), before);
}

#[test]
fn a_wheel_that_gave_its_table_back_goes_on() {
    let mut wheel = Wheel::new();
    for round in 0..3u64 {
        let now = round * 120 * SECOND;
        for id in 0..10_000 {
            wheel.arm(TimerId(id), now + spread(id.into()) % (60 * SECOND));
        }
        for id in (0..10_000).step_by(2) {
            assert!(wheel.cancel(TimerId(id)));
        }
        let mut due = Vec::new();
        wheel.expire(now + 60 * SECOND, usize::MAX, &mut due);
        assert_eq!(due.len(), 5_000);
        assert!(!wheel.cancel(TimerId(1)));
        assert_eq!(wheel.next_wake(), None);
    }
}

#[test]
fn an_id_that_would_need_gibibytes_is_not_armed() {
    let mut wheel = Wheel::new();
    wheel.arm(TimerId(u32::MAX), SECOND);
    wheel.arm(TimerId(TimerId::MAX.0 + 1), SECOND);
    assert!(wheel.is_empty());
    assert!(wheel.heap_bytes() < 64 << 10, "{}", wheel.heap_bytes());
}
