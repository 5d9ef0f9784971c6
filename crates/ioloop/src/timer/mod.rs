//! Timers: a hierarchical timer wheel with exact order.
//!
//! The wheel is that of Varghese and Lauck, "Hashed and Hierarchical Timing Wheels" (SOSP 1987,
//! scheme 7), with three departures:
//!
//! - **Slots are vectors**, not linked lists. A slot item is 8 bytes; the deadline lives in a table
//!   indexed by the timer's id. Walking a slot is a linear read, where a list costs a cache miss for
//!   each timer. Cancelling leaves a dead item, and a slot more than half dead is compacted.
//! - **Order is exact** although slots are coarse: the slot that contains the present is sorted into
//!   a *front*, and timers fire by (deadline, insertion).
//! - **The levels cover all of `u64`**, so there is no overflow list, and a deadline 400 days or 292
//!   years away is not a special case.
//!
//! ```text
//! level 0   64 slots of 2^20 ticks   1.05 ms each, 67 ms together
//! level 1   64 slots of 2^26 ticks   67 ms each,   4.3 s
//! level 2   64 slots of 2^32 ticks   4.3 s each,   4.6 min
//! level 3   64 slots of 2^38 ticks   4.6 min each, 4.9 h
//! level 4   64 slots of 2^44 ticks   4.9 h each,   13 days
//! level 5   64 slots of 2^50 ticks   13 days each, 2.3 years
//! level 6   64 slots of 2^56 ticks   2.3 years each, 146 years
//! level 7    4 slots of 2^62 ticks   the rest of u64
//! ```
//!
//! A tick is one nanosecond. Nothing here reads a clock: see [`crate::clock`].

mod key;
mod level;
mod wheel;

pub use key::TimerId;
pub use wheel::Wheel;
