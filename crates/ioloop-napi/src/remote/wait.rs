//! A short wait for another thread, which is expected to answer at once.

use std::hint;
use std::time::{Duration, Instant};

/// Waits until `is_ready`, for `budget` at most. The result of the last `is_ready`.
///
/// It keeps the core: a thread that yields gets it back only after a time slice of every other program
/// that wants it.
pub(super) fn wait(budget: Duration, mut is_ready: impl FnMut() -> bool) -> bool {
    if is_ready() {
        return true;
    }
    if budget.is_zero() {
        return false;
    }
    let start = Instant::now();
    loop {
        for _ in 0..LOOKS {
            hint::spin_loop();
            if is_ready() {
                return true;
            }
        }
        if start.elapsed() >= budget {
            return false;
        }
    }
}

/// Between two readings of the clock.
const LOOKS: u32 = 16;
