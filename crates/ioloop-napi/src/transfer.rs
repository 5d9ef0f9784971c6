//! Sending what a whole turn has written, in one call.
//!
//! JavaScript copies what is small into a slab, and writes a record for each piece. The pieces of
//! one descriptor are chained, so that they leave in one system call, in their order. A record is
//! [`RECORD_WORDS`] words of an `Int32Array`:
//!
//! | Word | |
//! | --- | --- |
//! | 0 | descriptor; of the first piece afterwards the bytes sent of all, or a negative errno |
//! | 1 | mode of the descriptor, as in `receive.rs`; 0 for a piece that is not the first |
//! | 2 | where the piece begins in the slab |
//! | 3 | its length |
//! | 4 | the record of the next piece, or -1 |

use std::io::IoSlice;

use ioloop::{Error, Result, net};
use napi_derive::napi;
use rustix::io::Errno;

use crate::fd::JsFd;
use crate::receive::MODE_FILE;

/// Words of a record.
#[napi]
pub const RECORD_WORDS: u32 = 5;

type Record = [i32; RECORD_WORDS as usize];

/// A typed array, lent for a call. (napi-derive takes a plain `&mut` for a class.)
type Ints<'a> = &'a mut [i32];

/// Sends what the first `count` records name.
#[napi(catch_unwind)]
pub fn send_batch(
    #[napi(ts_arg_type = "Int32Array")] records: Ints<'_>,
    count: u32,
    slab: &[u8],
) -> i32 {
    let (records, _): (&mut [Record], _) = records.as_chunks_mut();
    let count = records.len().min(count as usize);
    for at in 0..count {
        let [fd, mode, ..] = records[at];
        if mode != 0 {
            records[at][0] = answer(send_chain(fd, mode, &records[..count], at, slab));
        }
    }
    0
}

/// Sends several buffers in one system call: how many bytes of all of them.
#[napi(catch_unwind)]
pub fn send_all(fd: i32, mode: i32, buffers: Vec<&[u8]>) -> i32 {
    let mut slices = [IoSlice::new(&[]); MAX_SLICES];
    for (slice, bytes) in slices.iter_mut().zip(&buffers) {
        *slice = IoSlice::new(bytes);
    }
    answer(send_slices(
        fd,
        mode,
        &slices[..buffers.len().min(MAX_SLICES)],
    ))
}

/// Most buffers that [`send_all`] sends.
#[napi]
#[expect(clippy::cast_possible_truncation, reason = "64")]
pub const SEND_ALL_BUFFERS: u32 = MAX_SLICES as u32;

/// A length that was asked for as a `u32` of a typed array is below 2^31 in practice; what is not
/// would look like an error, and is none.
pub(crate) fn answer(result: Result<usize>) -> i32 {
    match result {
        Ok(count) => i32::try_from(count).unwrap_or(i32::MAX),
        Err(error) => -Error::errno(&error),
    }
}

/// Sends a chain of pieces, in one system call unless it is very long.
fn send_chain(fd: i32, mode: i32, records: &[Record], first: usize, slab: &[u8]) -> Result<usize> {
    let (single, after) = piece(records, first, slab)?;
    if after.is_none() {
        return send_slices(fd, mode, &[IoSlice::new(single)]);
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
            // Chains go forward: one that a bug has bent back ends here.
            next = after.filter(|&after| after > at);
        }
        let length: usize = slices[..count].iter().map(|slice| slice.len()).sum();
        match send_slices(fd, mode, &slices[..count]) {
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

fn send_slices(fd: i32, mode: i32, slices: &[IoSlice<'_>]) -> Result<usize> {
    let fd = JsFd::adopt(fd).ok_or(Errno::BADF)?;
    let is_file = mode & i32::from(MODE_FILE) != 0;
    match slices {
        [only] if is_file => net::write(fd, only),
        [only] => net::send(fd, only),
        _ if is_file => net::write_vectored(fd, slices),
        _ => net::send_vectored(fd, slices),
    }
}

/// Well below `IOV_MAX`, which is 1024 on Linux and macOS.
const MAX_SLICES: usize = 64;
