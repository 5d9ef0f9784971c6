//! Receiving and sending on one descriptor. The result is a number of bytes, or a negative errno.

use ioloop::{Result, net};
use rustix::io::Errno;

use crate::fd::JsFd;
use crate::glue::glue;

glue! {
    "`socketRecv(fd, buffer, offset, length)`: receives at most `length` bytes into `buffer`, from"
    "`offset` on. 0 at EOF."
    socketRecv(fd: i32, buffer: &mut [u8], offset: f64, length: f64) {
        net::recv(JsFd::new(fd)?, part_mut(buffer, offset, length)?)
    }
}

glue! {
    "`fdRead(fd, buffer, offset, length)`: `socketRecv` for non-sockets, `read(2)`."
    fdRead(fd: i32, buffer: &mut [u8], offset: f64, length: f64) {
        net::read(JsFd::new(fd)?, part_mut(buffer, offset, length)?)
    }
}

glue! {
    "`socketSend(fd, bytes, offset, length)`: sends at most `length` of `bytes`, from `offset` on,"
    "as far as the kernel has room."
    socketSend(fd: i32, bytes: &[u8], offset: f64, length: f64) {
        net::send(JsFd::new(fd)?, part(bytes, offset, length)?)
    }
}

glue! {
    "`fdWrite(fd, bytes, offset, length)`: `socketSend` for non-sockets, `write(2)`."
    fdWrite(fd: i32, bytes: &[u8], offset: f64, length: f64) {
        net::write(JsFd::new(fd)?, part(bytes, offset, length)?)
    }
}

fn part(bytes: &[u8], offset: f64, length: f64) -> Result<&[u8]> {
    let rest = bytes.get(position(offset)?..).ok_or(Errno::INVAL)?;
    Ok(rest.get(..position(length)?).ok_or(Errno::INVAL)?)
}

fn part_mut(buffer: &mut [u8], offset: f64, length: f64) -> Result<&mut [u8]> {
    let rest = buffer.get_mut(position(offset)?..).ok_or(Errno::INVAL)?;
    Ok(rest.get_mut(..position(length)?).ok_or(Errno::INVAL)?)
}

/// A position in a buffer; `EINVAL` for another number. Positions cross as doubles: a buffer may
/// have more than 4 GiB, and Node-API wraps what does not fit a `u32`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked"
)]
fn position(number: f64) -> Result<usize> {
    let is_position = (0.0..=MAX_SAFE_INTEGER).contains(&number) && number.fract() == 0.0;
    is_position
        .then_some(number as usize)
        .ok_or_else(|| Errno::INVAL.into())
}

/// JavaScript's: 2^53 - 1.
const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;
