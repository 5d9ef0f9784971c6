//! The typed arrays that carry a turn over the boundary, and what their words mean.
//!
//! Submissions (`Float64Array`, JavaScript writes): pairs of a word and an operand. The word is
//! `id * 4 + operation`; both are integers below 2^53, the operand of ARM is a deadline in seconds.
//!
//! Completions (`Int32Array`, the binding writes): the number of due timers, the number of ready
//! sources, the errno of the system call that failed or 0, the ids of the due timers in firing
//! order, then three words per source: index, readiness, and what was received from it (see
//! `receive.rs`).

use ioloop::event_loop::Budgets;
use ioloop::reactor::Readiness;
use ioloop::timer::TimerId;
use ioloop::{EventLoop, Turn, clock::Timeline};
use napi_derive::napi;

use crate::fd::JsFd;
use crate::receive::Receiver;

/// What JavaScript asks for between two turns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Submission {
    /// Arm a timer at a tick.
    Arm(TimerId, u64),
    /// Cancel a timer.
    Disarm(TimerId),
    /// The source at this index has been drained.
    Drained(usize, Readiness),
}

/// Words of the `Int32Array` of completions of a loop that was opened with these budgets.
#[napi]
#[must_use]
pub fn completion_capacity(timers: u32, events: u32) -> u32 {
    let budgets = budgets(timers, events);
    u32::try_from(HEADER + budgets.timers + 3 * budgets.ready()).unwrap_or(u32::MAX)
}

/// The bounds of a turn, as JavaScript names them.
pub(crate) fn budgets(timers: u32, events: u32) -> Budgets {
    Budgets {
        timers: timers.max(1) as usize,
        events: events.max(1) as usize,
    }
}

/// Operation code of a submission: arm timer `id` at the operand, a deadline in seconds.
#[napi]
pub const SUBMIT_ARM: u32 = 0;

/// Operation code of a submission: disarm timer `id`; the operand is unused.
#[napi]
pub const SUBMIT_DISARM: u32 = 1;

/// Operation code of a submission: source `id` proved itself drained of the operand, READ and
/// WRITE bits.
#[napi]
pub const SUBMIT_DRAINED: u32 = 2;

const HEADER: usize = 3;

/// Reads the submissions; a word that no version of `ts/boundary/submissions.ts` writes is skipped.
pub(crate) fn submissions<'a>(
    words: &'a [f64],
    timeline: &'a Timeline,
) -> impl Iterator<Item = Submission> + 'a {
    words
        .as_chunks()
        .0
        .iter()
        .filter_map(|&[word, operand]| decode(word, operand, timeline))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "float to integer casts saturate, and ids are written from small integers"
)]
fn decode(word: f64, operand: f64, timeline: &Timeline) -> Option<Submission> {
    let word = word as u64;
    let id = (word >> 2) as u32;
    match (word & 3) as u32 {
        SUBMIT_ARM => Some(Submission::Arm(TimerId(id), timeline.tick(operand))),
        SUBMIT_DISARM => Some(Submission::Disarm(TimerId(id))),
        SUBMIT_DRAINED => Some(Submission::Drained(
            id as usize,
            Readiness::from_bits_truncate(operand as u8),
        )),
        _ => None,
    }
}

/// Writes what the turn brought, and receives on the way what `receiver` is to receive; false when
/// the array is smaller than [`completion_capacity`].
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "ids, indices and counts are dense, far below 2^31"
)]
pub(crate) fn complete(
    core: &EventLoop<JsFd, ()>,
    turn: &Turn<()>,
    errno: i32,
    receiver: &mut Receiver<'_>,
    completions: &mut [i32],
) -> bool {
    let [due_count, ready_count, failure, rest @ ..] = completions else {
        return false;
    };
    let Some((due, rest)) = rest.split_at_mut_checked(turn.due.len()) else {
        return false;
    };
    let Some(ready) = rest.get_mut(..3 * turn.ready.len()) else {
        return false;
    };
    *due_count = turn.due.len() as i32;
    *ready_count = turn.ready.len() as i32;
    *failure = errno;
    for (word, id) in due.iter_mut().zip(&turn.due) {
        *word = id.0 as i32;
    }
    for (words, event) in ready.as_chunks_mut().0.iter_mut().zip(&turn.ready) {
        *words = [
            event.token.index() as i32,
            i32::from(event.readiness.bits()),
            receiver.receive(core, *event),
        ];
    }
    true
}
