//! A short wait for another thread that answers sooner than this one would fall asleep and wake up.

use std::hint;
use std::thread;
use std::time::{Duration, Instant};

/// Waits until `is_ready`, for `budget` at most. The result of the last `is_ready`.
///
/// After some looks it yields the core in between: the other thread may need it.
pub(super) fn wait(budget: Duration, mut is_ready: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    loop {
        for _ in 0..LOOKS {
            if is_ready() {
                return true;
            }
            hint::spin_loop();
        }
        if start.elapsed() >= budget {
            return false;
        }
        thread::yield_now();
    }
}

const LOOKS: u32 = 20;
