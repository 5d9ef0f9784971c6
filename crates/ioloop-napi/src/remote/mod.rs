//! Functions of a loop that other threads call: posts in, replies back.
//!
//! | Thread | File | |
//! | --- | --- | --- |
//! | any | `registry.rs` | the loops of this process that others may call, by id |
//! | the caller's | `sender.rs` | opens a lane to a loop, and posts what the lane's memory has no room for |
//! | the loop's | `owner.rs` | exposes names, takes posts, replies |
//! | the caller's | `replies.rs` | what its calls have returned |
//! | both | `wait.rs` | a short wait before they fall asleep |
//!
//! A thread has one lane to a loop (`ioloop::lane`). JavaScript writes records to its memory; the
//! turns of the loop collect them.
//!
//! A loop that closes, or whose thread ends, ends its lanes, and each caller gets [`REPLY_CLOSED`]: it
//! rejects the calls of the lane that have no reply yet.
//!
//! [`REPLY_CLOSED`]: replies::REPLY_CLOSED
//!
//! # Layouts
//!
//! Records are of a header of three little-endian `u32`, the values as `ts/boundary/value-layout.ts`
//! has them, and padding to a multiple of eight. `ts/boundary/records.ts` reads the headers.
//!
//! | Word | Of a post | Of a reply |
//! | --- | --- | --- |
//! | 0 | index of the function | number of the call; with `REPLY_CLOSED`, of the lane |
//! | 1 | number of the call, or 0 if no caller waits | status |
//! | 2 | bytes that follow | bytes that follow |
//!
//! A loop takes and gives records in groups, each after two words: the number of the lane, and the
//! bytes of its records.

mod memory;
mod owner;
mod registry;
mod replies;
mod sender;
mod wait;

use std::convert::Infallible;

use ioloop::lane::UNIT_BYTES;

pub(crate) use owner::Owner;

/// Posts come by lanes: a handle of the core only wakes the loop.
pub(crate) type Command = Infallible;

/// Bytes of the header of a record.
const HEADER: usize = 12;

/// The header of a record whose bytes follow.
fn header(first: u32, second: u32, length: usize) -> [u8; HEADER] {
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    let mut header = [0; HEADER];
    let (words, _) = header.as_chunks_mut();
    for (bytes, word) in words.iter_mut().zip([first, second, length]) {
        *bytes = word.to_le_bytes();
    }
    header
}

/// The length with its padding.
fn padded(length: usize) -> usize {
    length.next_multiple_of(UNIT_BYTES)
}
