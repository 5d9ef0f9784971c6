//! Conversion between the seconds of users and the ticks of the wheel. Nothing in the core reads a
//! clock.

/// Converts seconds to ticks: nanoseconds from a chosen origin.
///
/// The seconds may be on any scale, for example since 1970 or since the process started. The origin
/// is tick [`Timeline::ORIGIN_TICK`], a century, and not 0: deadlines of up to a century before the
/// origin keep their order. Earlier ones are tick 0.
#[derive(Clone, Copy, Debug)]
pub struct Timeline {
    /// Nanoseconds on the scale of the seconds at tick 0.
    zero: i128,
}

impl Timeline {
    /// The tick of the origin: 100 years of 365 days.
    pub const ORIGIN_TICK: u64 = 100 * 365 * 24 * 60 * 60 * NANOS_PER_SECOND.unsigned_abs();

    /// A timeline with the origin `origin_seconds`, usually the time at which the loop is made.
    #[must_use]
    pub fn new(origin_seconds: f64) -> Self {
        Self {
            zero: nanos(origin_seconds) - i128::from(Self::ORIGIN_TICK),
        }
    }

    /// The tick of a time in seconds, rounded down.
    ///
    /// Monotonic: `a <= b` implies `tick(a) <= tick(b)`. Times a nanosecond or more apart have
    /// distinct ticks. So have distinct seconds since 1970, whose `f64` has a step of 238 ns.
    ///
    /// Saturates: 0 for times more than a century before the origin, `u64::MAX` for times more than
    /// 484 years after it and `INFINITY`. NaN is 0.
    #[must_use]
    pub fn tick(&self, seconds: f64) -> u64 {
        if seconds.is_nan() {
            return 0;
        }
        let tick = nanos(seconds) - self.zero;
        u64::try_from(tick.max(0)).unwrap_or(u64::MAX)
    }

    /// The smallest `f64` whose tick is at least `tick`. A wait until `seconds(tick)` is never too
    /// short, and `seconds(tick(s))` is `s` for seconds since 1970.
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

/// Scales whole seconds and the fraction apart: an `f64` has too few bits for nanoseconds since 1970,
/// so different times would collide. The fraction of an `f64` is exact.
#[expect(
    clippy::cast_possible_truncation,
    reason = "saturates: seconds beyond i64 are beyond ticks"
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
