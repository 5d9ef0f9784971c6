//! Time: between the seconds of users and the ticks of the wheel. The only file that reads a clock.

use std::time::Instant;

/// Converts a user's seconds to ticks, nanoseconds counted from a chosen origin.
///
/// The seconds may be on any scale, since 1970 or since the process started. The origin is tick
/// [`Timeline::ORIGIN_TICK`], a century, and not 0: deadlines up to 100 years before the origin keep their
/// order, so that timers armed for the past fire in it. Before that all are tick 0.
#[derive(Clone, Copy, Debug)]
pub struct Timeline {
    /// Nanoseconds on the user's scale at tick 0.
    zero: i128,
}

impl Timeline {
    /// The tick of the origin: 100 years of 365 days.
    pub const ORIGIN_TICK: u64 = 100 * 365 * 24 * 60 * 60 * NANOS_PER_SECOND.unsigned_abs();

    /// A timeline whose origin is `origin_seconds`, best the time at which the loop is made.
    #[must_use]
    pub fn new(origin_seconds: f64) -> Self {
        Self {
            zero: nanos(origin_seconds) - i128::from(Self::ORIGIN_TICK),
        }
    }

    /// The tick of a time in seconds, rounded down.
    ///
    /// Never reorders: `a <= b` gives `tick(a) <= tick(b)`. Times a nanosecond or more apart have
    /// distinct ticks; seconds since 1970, which an `f64` holds to 238 ns, are told apart always. Times
    /// within one nanosecond may share a tick.
    ///
    /// Saturates: to 0 for what is more than a century before the origin, to `u64::MAX` for `INFINITY` and
    /// everything later than 484 years after it. NaN is 0: callers refuse it before.
    #[must_use]
    pub fn tick(&self, seconds: f64) -> u64 {
        if seconds.is_nan() {
            return 0;
        }
        let tick = nanos(seconds) - self.zero;
        u64::try_from(tick.max(0)).unwrap_or(u64::MAX)
    }

    /// The earliest time, as near as an `f64` comes to it, whose tick is `tick` or later. So a wait
    /// until `seconds(tick)` is never too short, and `seconds(tick(s))` is `s` for `s` since 1970.
    #[must_use]
    pub fn seconds(&self, tick: u64) -> f64 {
        let nanos = self.zero + i128::from(tick);
        let mut seconds = to_seconds(nanos);
        while self.tick(seconds) < tick {
            seconds = seconds.next_up();
        }
        seconds
    }
}

/// A monotonic clock for users of the core that have none of their own.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// A clock that stands at [`Timeline::ORIGIN_TICK`] now.
    #[must_use]
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
        }
    }

    /// The present, in ticks. Never goes backwards.
    #[must_use]
    pub fn now(&self) -> u64 {
        let elapsed = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        elapsed.saturating_add(Timeline::ORIGIN_TICK)
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

/// Whole seconds and the fraction are scaled apart, because their product with 10^9 in one `f64` has
/// too few bits: seconds since 1970 would collide. The fraction of an `f64` is exact.
#[expect(
    clippy::cast_possible_truncation,
    reason = "saturates: beyond i64 seconds is beyond ticks"
)]
fn nanos(seconds: f64) -> i128 {
    let whole = seconds.floor();
    let fraction = (seconds - whole) * 1e9;
    i128::from(whole as i64) * i128::from(NANOS_PER_SECOND) + i128::from(fraction as i64)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the caller corrects the rounding"
)]
fn to_seconds(nanos: i128) -> f64 {
    let unit = i128::from(NANOS_PER_SECOND);
    nanos.div_euclid(unit) as f64 + nanos.rem_euclid(unit) as f64 / 1e9
}

const NANOS_PER_SECOND: i64 = 1_000_000_000;
