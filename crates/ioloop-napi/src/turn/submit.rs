//! Submissions: what JavaScript wants of the core, in one `Float64Array`.
//!
//! `ts/boundary/submissions.ts` writes [`SUBMISSION_WORDS`] words for each:
//!
//! | Word | |
//! | --- | --- |
//! | 0 | `id * SUBMIT_OPERATIONS + operation`, below 2^53 |
//! | 1 | the operand |
//!
//! | Operation | Id | Operand |
//! | --- | --- | --- |
//! | [`SUBMIT_ARM`] | a timer | its deadline, in seconds |
//! | [`SUBMIT_CANCEL`] | a timer | unused |
//! | [`SUBMIT_DRAINED`] | index of a registration | READ and WRITE bits |

use ioloop::clock::Timeline;
use ioloop::reactor::Readiness;
use ioloop::timer::TimerId;
use ioloop::{Error, Result};
use napi_derive::napi;

use crate::native_loop::Open;

/// Words of a submission.
#[napi]
pub const SUBMISSION_WORDS: u32 = 2;

/// Factor of the id in the first word of a submission; the rest is the operation.
#[napi]
pub const SUBMIT_OPERATIONS: u32 = 4;

/// Operation of a submission: arm a timer at a deadline in seconds.
#[napi]
pub const SUBMIT_ARM: u32 = 0;

/// Operation of a submission: cancel a timer.
#[napi]
pub const SUBMIT_CANCEL: u32 = 1;

/// Operation of a submission: the source has been drained of these READ and WRITE bits.
#[napi]
pub const SUBMIT_DRAINED: u32 = 2;

/// The submissions of one crossing.
#[derive(Clone, Copy)]
pub(super) struct Submitted<'call> {
    words: &'call [f64],
}

impl<'call> Submitted<'call> {
    /// Those in the first `length` words.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if there are fewer: a view of the memory of a module ends when that grows, also
    /// while the arguments of a call are read.
    pub(super) fn new(words: &'call [f64], length: u32) -> Result<Self> {
        let words = words.get(..length as usize).ok_or(Error::Invalid)?;
        Ok(Self { words })
    }

    /// Hands them to the core, in their order.
    pub(super) fn apply(self, open: &mut Open) {
        let (submissions, _) = self.words.as_chunks::<{ SUBMISSION_WORDS as usize }>();
        for submission in submissions {
            match decode(*submission, &open.timeline) {
                Some(Submission::Arm(id, deadline)) => open.core.wheel_mut().arm(id, deadline),
                Some(Submission::Cancel(id)) => drop(open.core.wheel_mut().cancel(id)),
                Some(Submission::Drained(index, readiness)) => {
                    let reactor = open.core.reactor_mut();
                    if let Some(token) = reactor.token_at(index) {
                        reactor.drained(token, readiness);
                    }
                }
                None => {}
            }
        }
    }
}

enum Submission {
    /// Arm a timer at a tick.
    Arm(TimerId, u64),
    Cancel(TimerId),
    /// The registration at an index has been drained.
    Drained(u32, Readiness),
}

/// `None` for an unknown operation, which no version of `ts/boundary/submissions.ts` writes.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "float to integer casts saturate, and ids are written from small integers"
)]
fn decode([word, operand]: [f64; 2], timeline: &Timeline) -> Option<Submission> {
    let word = word as u64;
    let operations = u64::from(SUBMIT_OPERATIONS);
    let id = (word / operations) as u32;
    match (word % operations) as u32 {
        SUBMIT_ARM => Some(Submission::Arm(TimerId(id), timeline.tick(operand))),
        SUBMIT_CANCEL => Some(Submission::Cancel(TimerId(id))),
        SUBMIT_DRAINED => Some(Submission::Drained(
            id,
            Readiness::from_bits_truncate(operand as u8),
        )),
        _ => None,
    }
}
