//! The bits of a readiness and of an interest. `ts/boundary/readiness.ts` has the same.

use ioloop::reactor::{Interest, Readiness};
use napi_derive::napi;

/// Bit of a readiness: data, a connection to accept, or EOF.
#[napi]
pub const READY_READ: u32 = word(Readiness::READABLE);

/// Bit of a readiness: an exceptional condition.
#[napi]
pub const READY_PRI: u32 = word(Readiness::PRIORITY);

/// Bit of a readiness: room to write, or the end of a connection attempt.
#[napi]
pub const READY_WRITE: u32 = word(Readiness::WRITABLE);

/// Bit of a readiness: an error is pending.
#[napi]
pub const READY_ERROR: u32 = word(Readiness::ERROR);

/// Bit of a readiness: both directions are closed.
#[napi]
pub const READY_HANG_UP: u32 = word(Readiness::HANG_UP);

/// Bit of a readiness: the peer has closed its writing side.
#[napi]
pub const READY_READ_CLOSED: u32 = word(Readiness::READ_CLOSED);

/// The readiness of a stale registration, whose number was closed elsewhere. It has ended.
#[napi]
pub const READY_STALE: u32 = word(Readiness::STALE);

/// Bit of an interest: each change of readiness is reported once, for an owner that keeps it.
#[napi]
pub const INTEREST_EDGE: u32 = Interest::EDGE.bits() as u32;

const fn word(readiness: Readiness) -> u32 {
    readiness.bits() as u32
}
