//! Sending what all streams have written, in one crossing.
//!
//! JavaScript copies small pieces to a slab, and writes a record for each. The pieces of one
//! descriptor form a chain, which leaves in one system call. A record is [`RECORD_WORDS`] words of
//! an `Int32Array`, written by `ts/boundary/send-batch.ts`:
//!
//! | Word | |
//! | --- | --- |
//! | 0 | descriptor; of the first piece afterwards the bytes sent of all, or a negative errno |
//! | 1 | mode of the descriptor (`mode.rs`); 0 for a piece that is not the first |
//! | 2 | where the piece begins in the slab |
//! | 3 | its length |
//! | 4 | the record of the next piece, or -1 |

use std::io::IoSlice;

use ioloop::Result;
use napi_derive::napi;
use rustix::io::Errno;

use super::mode::Mode;
use crate::errno::or_errno;
use crate::fd::JsFd;
use crate::glue::glue;

/// Words of a record.
#[napi]
pub const RECORD_WORDS: u32 = 5;

type Record = [i32; RECORD_WORDS as usize];

glue! {
    "`sendBatch(records, count, slab)`: sends the chains of the first `count` records."
    sendBatch(records: &mut [i32], count: u32, slab: &[u8]) {
        let (records, _): (&mut [Record], _) = records.as_chunks_mut();
        let count = records.len().min(count as usize);
        for at in 0..count {
            let [fd, mode, ..] = records[at];
            if mode != 0 {
                records[at][0] = or_errno(|| {
                    send_chain(fd, mode_of(mode), &records[..count], at, slab)
                });
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
fn send_chain(fd: i32, mode: Mode, records: &[Record], first: usize, slab: &[u8]) -> Result<usize> {
    let fd = JsFd::new(fd)?;
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

fn piece<'a>(records: &[Record], at: usize, slab: &'a [u8]) -> Result<(&'a [u8], Option<usize>)> {
    let &[_, _, offset, length, next] = records.get(at).ok_or(Errno::INVAL)?;
    let offset = usize::try_from(offset).map_err(|_| Errno::INVAL)?;
    let length = usize::try_from(length).map_err(|_| Errno::INVAL)?;
    let piece = slab
        .get(offset..)
        .and_then(|rest| rest.get(..length))
        .ok_or(Errno::INVAL)?;
    Ok((piece, usize::try_from(next).ok()))
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
