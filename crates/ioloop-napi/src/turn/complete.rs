//! Completions: the results of a turn, in one `Int32Array` that `ts/boundary/completions.ts`
//! reads.
//!
//! | Words | |
//! | --- | --- |
//! | [`COMPLETED_DUE`] | how many timers are due |
//! | [`COMPLETED_READY`] | how many sources are ready |
//! | [`COMPLETED_ERRNO`] | the errno of the system call that failed, or 0 |
//! | [`COMPLETED_LATENESS`] | how late the first due timer is, in microseconds |
//! | [`COMPLETED_RECEIVED`] | bytes received from all sources |
//! | from [`COMPLETED_HEADER`] on | the ids of the due timers, in the order in which they fire |
//! | after them | [`READY_WORDS`] words for each ready source |
//!
//! | Word of a source | |
//! | --- | --- |
//! | 0 | index of the registration |
//! | 1 | readiness |
//! | 2 | bytes received, 0 at EOF, a negative errno, or [`NOT_RECEIVED`](super::receive::NOT_RECEIVED) |

use ioloop::{Error, Result, Turn};
use napi_derive::napi;

use super::receive::Receiver;
use crate::native_loop::{Core, budgets};
use crate::remote::Command;

/// Word of the completions: how many timers are due.
#[napi]
pub const COMPLETED_DUE: u32 = 0;

/// Word of the completions: how many sources are ready.
#[napi]
pub const COMPLETED_READY: u32 = 1;

/// Word of the completions: the errno of the system call that failed, or 0.
#[napi]
pub const COMPLETED_ERRNO: u32 = 2;

/// Word of the completions: how late the first due timer is, the latest of them, in microseconds, up
/// to 35 minutes; 0 without due timers.
#[napi]
pub const COMPLETED_LATENESS: u32 = 3;

/// Word of the completions: bytes received from all sources.
#[napi]
pub const COMPLETED_RECEIVED: u32 = 4;

/// Words of the completions before the first id.
#[napi]
pub const COMPLETED_HEADER: u32 = 5;

/// Words of a ready source: its index, its readiness, and the result of receiving.
#[napi]
pub const READY_WORDS: u32 = 3;

/// Words of the completions of a loop that was opened with these budgets.
#[napi]
#[must_use]
pub fn completion_capacity(timers: u32, events: u32) -> u32 {
    let budgets = budgets(timers, events);
    let words = HEADER + budgets.timers + SOURCE * budgets.ready();
    u32::try_from(words).unwrap_or(u32::MAX)
}

/// Writes the collected timers and sources; `receiver` receives for each source.
///
/// # Errors
///
/// `EINVAL` if the array is smaller than [`completion_capacity`].
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "ids, indices and counts are dense, far below 2^31"
)]
pub(super) fn complete(
    core: &Core,
    turn: &Turn<Command>,
    errno: i32,
    mut receiver: Receiver<'_>,
    completions: &mut [i32],
) -> Result<()> {
    let (header, rest) = completions
        .split_first_chunk_mut::<HEADER>()
        .ok_or(Error::Invalid)?;
    let (due, rest) = rest
        .split_at_mut_checked(turn.due.len())
        .ok_or(Error::Invalid)?;
    let ready = rest
        .get_mut(..SOURCE * turn.ready.len())
        .ok_or(Error::Invalid)?;
    header[COMPLETED_DUE as usize] = turn.due.len() as i32;
    header[COMPLETED_READY as usize] = turn.ready.len() as i32;
    header[COMPLETED_ERRNO as usize] = errno;
    let lateness = core.wheel().lateness() / TICKS_PER_MICROSECOND;
    header[COMPLETED_LATENESS as usize] = i32::try_from(lateness).unwrap_or(i32::MAX);
    for (word, id) in due.iter_mut().zip(&turn.due) {
        *word = id.0 as i32;
    }
    let (ready, _) = ready.as_chunks_mut::<SOURCE>();
    for (words, event) in ready.iter_mut().zip(&turn.ready) {
        *words = [
            event.token.index() as i32,
            i32::from(event.readiness.bits()),
            receiver.receive(core, *event),
        ];
    }
    header[COMPLETED_RECEIVED as usize] = receiver.received() as i32;
    Ok(())
}

const TICKS_PER_MICROSECOND: u64 = 1_000;
const HEADER: usize = COMPLETED_HEADER as usize;
const SOURCE: usize = READY_WORDS as usize;
