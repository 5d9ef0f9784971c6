//! Seconds to ticks and back: order and distinctness are kept.

use ioloop::clock::Timeline;
use proptest::prelude::*;

const EPOCH: f64 = 1_790_000_000.25;

#[test]
fn the_origin_is_a_year_after_tick_zero() {
    let timeline = Timeline::new(EPOCH);
    assert_eq!(timeline.tick(EPOCH), Timeline::ORIGIN_TICK);
    assert_eq!(
        timeline.tick(EPOCH + 1.5) - Timeline::ORIGIN_TICK,
        1_500_000_000
    );
    assert_eq!(timeline.tick(EPOCH - 36_500.0 * 86_400.0), 0);
    assert_eq!(
        timeline.tick(EPOCH - 36_500.0 * 86_400.0 + 1.0),
        1_000_000_000
    );
}

#[test]
fn neighbouring_floats_since_1970_have_distinct_ticks_whatever_the_origin() {
    for origin in [0.0, 1_500_000_000.0, EPOCH] {
        let timeline = Timeline::new(origin);
        let mut seconds = EPOCH;
        for _ in 0..10_000 {
            let next = seconds.next_up();
            assert!(
                timeline.tick(seconds) < timeline.tick(next),
                "{origin} {seconds}"
            );
            seconds = next;
        }
    }
}

#[test]
fn ticks_saturate_at_both_ends() {
    let timeline = Timeline::new(EPOCH);
    assert_eq!(timeline.tick(f64::NEG_INFINITY), 0);
    assert_eq!(timeline.tick(f64::MIN), 0);
    assert_eq!(timeline.tick(EPOCH - 101.0 * 365.0 * 86_400.0), 0);
    assert_eq!(timeline.tick(f64::NAN), 0);
    assert_eq!(timeline.tick(1e300), u64::MAX);
    assert_eq!(timeline.tick(f64::INFINITY), u64::MAX);
}

#[test]
fn every_tick_has_seconds() {
    let timeline = Timeline::new(EPOCH);
    for tick in [0, 1, Timeline::ORIGIN_TICK, u64::MAX - 1, u64::MAX] {
        assert!(timeline.tick(timeline.seconds(tick)) >= tick, "{tick}");
    }
}

proptest! {
    #[test]
    fn ticks_never_reorder(origin in -1e10..1e10, a in any::<f64>(), b in any::<f64>()) {
        prop_assume!(!a.is_nan() && !b.is_nan());
        let timeline = Timeline::new(origin);
        let (earlier, later) = if a <= b { (a, b) } else { (b, a) };
        prop_assert!(timeline.tick(earlier) <= timeline.tick(later));
    }

    #[test]
    fn neighbours_never_reorder(origin in -1e10..1e10, seconds in -1e10..1e10) {
        let timeline = Timeline::new(origin);
        prop_assert!(timeline.tick(seconds) <= timeline.tick(seconds.next_up()));
    }

    #[test]
    fn seconds_since_1970_survive_the_way_there_and_back(ahead in -3e7..1e8) {
        let timeline = Timeline::new(EPOCH);
        let seconds = EPOCH + ahead;
        prop_assert_eq!(timeline.seconds(timeline.tick(seconds)).to_bits(), seconds.to_bits());
    }

    #[test]
    fn a_wait_until_the_seconds_of_a_tick_is_long_enough_and_no_longer(
        origin in prop_oneof![Just(0.0), Just(EPOCH), -1e10..1e10],
        tick in any::<u64>(),
    ) {
        let timeline = Timeline::new(origin);
        let seconds = timeline.seconds(tick);
        prop_assert!(timeline.tick(seconds) >= tick);
        prop_assert!(timeline.tick(seconds.next_down().next_down()) <= tick);
    }
}
