//! Sends the writes of all streams in one crossing.
//!
//! JavaScript copies small pieces to a slab, and writes a record for each. The pieces of one
//! descriptor form a chain, which leaves in one system call. A record is [`RECORD_WORDS`] words of
//! an `Int32Array`, faced by `ts/boundary/send-batch.ts`:
//!
//! | Word | Written by | |
//! | --- | --- | --- |
//! | [`RECORD_MODE`] | JavaScript | mode of the descriptor (`mode.rs`); 0 if no chain starts here |
//! | [`RECORD_OFFSET`] | JavaScript | where the piece begins in the slab |
//! | [`RECORD_LENGTH`] | JavaScript | its length |
//! | [`RECORD_NEXT`] | JavaScript | the record of the next piece of the chain, or -1 |
//! | [`RECORD_FD`] | JavaScript, where a chain starts | the descriptor |
//! | [`RECORD_RESULT`] | Rust, where a chain starts | bytes sent of the chain, or a negative errno |

use std::io::IoSlice;

use ioloop::Result;
use napi_derive::napi;
use rustix::io::Errno;

use super::mode::Mode;
use crate::errno::or_errno;
use crate::fd::JsFd;
use crate::glue::glue;

/// Words of a record of a batch.
#[napi]
pub const RECORD_WORDS: u32 = 6;

/// Word of a record: the mode of the descriptor of the chain that starts here. 0 if none does.
#[napi]
pub const RECORD_MODE: u32 = 0;

/// Word of a record: where the piece begins in the slab.
#[napi]
pub const RECORD_OFFSET: u32 = 1;

/// Word of a record: the length of the piece.
#[napi]
pub const RECORD_LENGTH: u32 = 2;

/// Word of a record: the record of the next piece of the chain, or -1.
#[napi]
pub const RECORD_NEXT: u32 = 3;

/// Word of a record: the descriptor of the chain that starts here.
#[napi]
pub const RECORD_FD: u32 = 4;

/// Word of a record, written by `sendBatch`: the bytes sent of the chain that starts here, or a
/// negative errno.
#[napi]
pub const RECORD_RESULT: u32 = 5;

/// The words of a record, in their order.
#[derive(Clone, Copy)]
struct Record {
    mode: i32,
    offset: i32,
    length: i32,
    next: i32,
    fd: i32,
}

type Words = [i32; RECORD_WORDS as usize];

impl From<Words> for Record {
    fn from([mode, offset, length, next, fd, _result]: Words) -> Self {
        Self {
            mode,
            offset,
            length,
            next,
            fd,
        }
    }
}

glue! {
    "`sendBatch(records, count, slab)`: sends the chains that start in the first `count` records, and"
    "writes the result of each to its first record."
    sendBatch(records: &mut [i32], count: u32, slab: &[u8]) {
        let (records, _) = records.as_chunks_mut();
        let count = records.len().min(count as usize);
        for first in 0..count {
            let Record { mode, fd, .. } = Record::from(records[first]);
            if mode != 0 {
                let sent = or_errno(|| {
                    send_chain(JsFd::new(fd)?, mode_of(mode), &records[..count], first, slab)
                });
                records[first][RECORD_RESULT as usize] = sent;
            }
        }
        Ok(())
    }
}

/// Sends several buffers in one system call: the number of bytes of all of them, or a negative errno.
#[napi(catch_unwind)]
pub fn send_all(fd: i32, mode: i32, buffers: Vec<&[u8]>) -> i32 {
    let mut slices = [IoSlice::new(&[]); MAX_SLICES];
    let count = buffers.len().min(MAX_SLICES);
    for (slice, bytes) in slices.iter_mut().zip(&buffers) {
        *slice = IoSlice::new(bytes);
    }
    or_errno(|| mode_of(mode).send(JsFd::new(fd)?, &slices[..count]))
}

/// Most buffers of `sendAll`.
#[napi]
#[expect(clippy::cast_possible_truncation, reason = "64")]
pub const SEND_ALL_BUFFERS: u32 = MAX_SLICES as u32;

/// Sends the pieces of a chain, in one system call for [`MAX_SLICES`] of them.
fn send_chain(fd: JsFd, mode: Mode, records: &[Words], first: usize, slab: &[u8]) -> Result<usize> {
    let (single, after) = piece(records, first, slab)?;
    if after.is_none() {
        return mode.send(fd, &[IoSlice::new(single)]);
    }
    let mut sent = 0;
    let mut next = Some(first);
    while next.is_some() {
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let mut count = 0;
        while let (Some(slice), Some(at)) = (slices.get_mut(count), next) {
            let (piece, after) = piece(records, at, slab)?;
            *slice = IoSlice::new(piece);
            count += 1;
            // A chain goes forward. If a bug has made it go back, it ends here, and not never.
            next = after.filter(|&after| after > at);
        }
        let length: usize = slices[..count].iter().map(|slice| slice.len()).sum();
        match mode.send(fd, &slices[..count]) {
            Ok(part) if part == length => sent += part,
            Ok(part) => return Ok(sent + part),
            Err(_) if sent > 0 => return Ok(sent),
            Err(error) => return Err(error),
        }
    }
    Ok(sent)
}

/// The bytes of a piece, and the record of the next one.
fn piece<'a>(records: &[Words], at: usize, slab: &'a [u8]) -> Result<(&'a [u8], Option<usize>)> {
    let record = Record::from(*records.get(at).ok_or(Errno::INVAL)?);
    let offset = usize::try_from(record.offset).map_err(|_| Errno::INVAL)?;
    let length = usize::try_from(record.length).map_err(|_| Errno::INVAL)?;
    let piece = slab
        .get(offset..)
        .and_then(|rest| rest.get(..length))
        .ok_or(Errno::INVAL)?;
    Ok((piece, usize::try_from(record.next).ok()))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a sum of the bits of `mode.rs`"
)]
const fn mode_of(word: i32) -> Mode {
    Mode::new(word as u8)
}

/// Most slices of a system call: well below `IOV_MAX`, which is 1024 on Linux and macOS.
const MAX_SLICES: usize = 64;
