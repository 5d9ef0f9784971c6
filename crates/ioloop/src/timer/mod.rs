//! Timers: a hierarchical timer wheel with exact order.
//!
//! The wheel is that of Varghese and Lauck, "Hashed and Hierarchical Timing Wheels" (SOSP 1987,
//! scheme 7), with three departures:
//!
//! - **Slots are vectors**, not linked lists. An item of a slot is 8 bytes; the deadline is in a table
//!   indexed by the timer's id. Walking a slot is a linear read, where a list costs a cache miss per
//!   timer. A cancelled timer leaves a dead item; a slot with more dead than live items is compacted.
//! - **Order is exact**, although slots are coarse: the slot of the present is sorted into a *front*,
//!   and timers fire by (deadline, insertion).
//! - **The levels cover all of `u64`**: there is no overflow list, and deadlines in 400 days or 292
//!   years are not special.
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
//! A tick is one nanosecond. [`crate::clock`] converts seconds to ticks.

mod front;
mod key;
mod level;
mod wheel;

pub use key::TimerId;
pub use wheel::Wheel;
