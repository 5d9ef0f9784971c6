//! Sockets and pipes as JavaScript sees them: numbers in, a result or a negative errno out.
//!
//! Addresses cross as bytes, in the encoding of [`Address::encode`]; a buffer for one holds
//! `ADDRESS_BYTES`.

use std::os::fd::{AsFd, OwnedFd};

use ioloop::net::{self, Address, Connect, Domain, How, Kind, SocketOption};
use ioloop::reactor::Identity;
use ioloop::{Error, Result};
use napi_derive::napi;
use rustix::io::Errno;

use crate::fd::JsFd;
use crate::{owned, transfer};

/// A typed array, lent for a call. (napi-derive takes a plain `&mut` for a class.)
type Bytes<'a> = &'a mut [u8];
type Ints<'a> = &'a mut [i32];

/// An address takes at most this many bytes.
#[napi]
#[expect(clippy::cast_possible_truncation, reason = "128")]
pub const ADDRESS_BYTES: u32 = Address::MAX_BYTES as u32;

/// Opens a stream socket: 4 and 6 are TCP, 1 is Unix. Its descriptor, or a negative errno.
#[napi(catch_unwind)]
#[must_use]
pub fn socket_open(domain: u32) -> i32 {
    let domain = match domain {
        4 => Domain::V4,
        6 => Domain::V6,
        1 => Domain::Unix,
        _ => return -Errno::AFNOSUPPORT.raw_os_error(),
    };
    answer(net::open(domain).map(owned::give))
}

/// Writes the descriptors of two connected Unix sockets to `ends`.
#[napi(catch_unwind)]
pub fn socket_pair(#[napi(ts_arg_type = "Int32Array")] ends: Ints<'_>) -> i32 {
    answer(net::pair().and_then(|pair| give(pair, ends)))
}

/// Writes the descriptors of a pipe to `ends`: the reading and the writing one.
#[napi(catch_unwind)]
pub fn pipe_open(#[napi(ts_arg_type = "Int32Array")] ends: Ints<'_>) -> i32 {
    answer(net::pipe().and_then(|pair| give(pair, ends)))
}

/// Gives a socket an address.
#[napi(catch_unwind)]
pub fn socket_bind(fd: i32, address: &[u8]) -> i32 {
    answer(with(fd, |socket| {
        net::bind(socket, &decode(address)?).map(|()| 0)
    }))
}

/// Lets the kernel queue connections.
#[napi(catch_unwind)]
pub fn socket_listen(fd: i32, backlog: i32) -> i32 {
    answer(with(fd, |socket| net::listen(socket, backlog).map(|()| 0)))
}

/// Starts to connect: 0 when it is connected, 1 when it goes on.
#[napi(catch_unwind)]
pub fn socket_connect(fd: i32, address: &[u8]) -> i32 {
    answer(with(fd, |socket| {
        Ok(match net::connect(socket, &decode(address)?)? {
            Connect::Done => 0,
            Connect::InProgress => 1,
        })
    }))
}

/// Takes a connection: its descriptor; its address goes to `address`.
#[napi(catch_unwind)]
pub fn socket_accept(fd: i32, #[napi(ts_arg_type = "Uint8Array")] address: Bytes<'_>) -> i32 {
    answer(with(fd, |listener| {
        let (socket, peer) = net::accept(listener)?;
        encode(&peer, address)?;
        Ok(owned::give(socket))
    }))
}

/// Writes the socket's own address, or its peer's, to `address`.
#[napi(catch_unwind)]
pub fn socket_address(
    fd: i32,
    peer: bool,
    #[napi(ts_arg_type = "Uint8Array")] address: Bytes<'_>,
) -> i32 {
    answer(with(fd, |socket| {
        let socket = socket.as_fd();
        let found = if peer {
            net::peer_address(socket)
        } else {
            net::local_address(socket)
        };
        encode(&found?, address).map(|()| 0)
    }))
}

/// Whether a stream socket is connected, or was before its peer reset it: 1 or 0.
#[napi(catch_unwind)]
pub fn socket_connected(fd: i32) -> i32 {
    answer(with(fd, |socket| net::is_connected(socket).map(i32::from)))
}

/// What a descriptor is: one of the `KIND_` constants.
#[napi(catch_unwind)]
pub fn fd_kind(fd: i32) -> i32 {
    answer(with(fd, |fd| {
        Ok(match net::kind(fd)? {
            Kind::Tcp => KIND_TCP,
            Kind::Stream => KIND_STREAM,
            Kind::Records => KIND_RECORDS,
            Kind::Messages => KIND_MESSAGES,
        })
    }))
}

/// A TCP socket.
#[napi]
pub const KIND_TCP: i32 = 0;

/// Another stream of bytes: a Unix socket, a terminal.
#[napi]
pub const KIND_STREAM: i32 = 1;

/// A file whose reads may give whole records, of up to `LARGEST_RECORD` bytes: inotify, a pipe.
#[napi]
pub const KIND_RECORDS: i32 = 2;

/// Room that a read of `KIND_RECORDS` needs.
#[napi]
#[expect(clippy::cast_possible_truncation, reason = "4096")]
pub const LARGEST_RECORD: u32 = net::LARGEST_RECORD as u32;

/// A socket with messages, such as UDP.
#[napi]
pub const KIND_MESSAGES: i32 = 3;

/// The pending error of a socket as a negative errno, and 0 when there is none.
#[napi(catch_unwind)]
pub fn socket_take_error(fd: i32) -> i32 {
    answer(with(fd, |socket| match net::take_error(socket)? {
        Some(error) => Err(error.into()),
        None => Ok(0),
    }))
}

/// Ends a direction: 0 reading, 1 writing, 2 both.
#[napi(catch_unwind)]
pub fn socket_shutdown(fd: i32, how: u32) -> i32 {
    let how = match how {
        0 => How::Read,
        1 => How::Write,
        _ => How::Both,
    };
    answer(with(fd, |socket| net::shutdown(socket, how).map(|()| 0)))
}

/// Writes the value of an option to `value`. Options are numbered as in [`OPTIONS`].
#[napi(catch_unwind)]
pub fn socket_get_option(
    fd: i32,
    option: u32,
    #[napi(ts_arg_type = "Int32Array")] value: Ints<'_>,
) -> i32 {
    answer(with(fd, |socket| {
        *value.first_mut().ok_or(Errno::INVAL)? = net::get_option(socket, option_at(option)?)?;
        Ok(0)
    }))
}

/// Sets an option. Options are numbered as in [`OPTIONS`].
#[napi(catch_unwind)]
pub fn socket_set_option(fd: i32, option: u32, value: i32) -> i32 {
    answer(with(fd, |socket| {
        net::set_option(socket, option_at(option)?, value).map(|()| 0)
    }))
}

/// Receives into `buffer`, from `offset` on, at most `length` bytes: how many.
#[napi(catch_unwind)]
pub fn socket_recv(
    fd: i32,
    #[napi(ts_arg_type = "Uint8Array")] buffer: Bytes<'_>,
    offset: f64,
    length: f64,
) -> i32 {
    transfer::answer(with(fd, |socket| {
        net::recv(socket, range_mut(buffer, offset, length)?)
    }))
}

/// Sends of `bytes`, from `offset` on, at most `length`, what the kernel has room for: how many.
#[napi(catch_unwind)]
pub fn socket_send(fd: i32, bytes: &[u8], offset: f64, length: f64) -> i32 {
    transfer::answer(with(fd, |socket| {
        net::send(socket, range(bytes, offset, length)?)
    }))
}

/// [`socket_recv`] for non-sockets.
#[napi(catch_unwind)]
pub fn fd_read(
    fd: i32,
    #[napi(ts_arg_type = "Uint8Array")] buffer: Bytes<'_>,
    offset: f64,
    length: f64,
) -> i32 {
    transfer::answer(with(fd, |fd| {
        net::read(fd, range_mut(buffer, offset, length)?)
    }))
}

/// [`socket_send`] for non-sockets.
#[napi(catch_unwind)]
pub fn fd_write(fd: i32, bytes: &[u8], offset: f64, length: f64) -> i32 {
    transfer::answer(with(fd, |fd| net::write(fd, range(bytes, offset, length)?)))
}

/// Takes over a descriptor that was opened elsewhere: it becomes non-blocking, and is closed with
/// the environment. 0, or a negative errno.
#[napi(catch_unwind)]
pub fn fd_adopt(fd: i32) -> i32 {
    answer(with(fd, |fd| {
        net::set_nonblocking(fd)?;
        owned::adopt(fd);
        Ok(0)
    }))
}

/// Writes to `words` which file a number stands for: 0, or a negative errno.
#[napi(catch_unwind)]
pub fn fd_identify(fd: i32, #[napi(ts_arg_type = "Int32Array")] words: Ints<'_>) -> i32 {
    answer(with(fd, |fd| {
        let identity = words_of(Identity::of(fd)?);
        words
            .get_mut(..identity.len())
            .ok_or(Errno::INVAL)?
            .copy_from_slice(&identity);
        Ok(0)
    }))
}

/// Whether a number still stands for the file of `words`. What cannot be found out is no.
#[napi(catch_unwind)]
pub fn fd_is(fd: i32, #[napi(ts_arg_type = "Int32Array")] words: Ints<'_>) -> bool {
    let identity = JsFd::adopt(fd).and_then(|fd| Identity::of(fd).ok());
    identity.is_some_and(|identity| words_of(identity) == *words)
}

/// Words of an identity.
#[napi]
pub const IDENTITY_WORDS: u32 = 5;

#[expect(clippy::cast_possible_truncation, reason = "both halves are kept")]
fn words_of(identity: Identity) -> [i32; IDENTITY_WORDS as usize] {
    let [device, inode, kind] = identity.words();
    let halves = |word: u64| [word as i32, (word >> 32) as i32];
    let ([a, b], [c, d]) = (halves(device), halves(inode));
    [a, b, c, d, kind as i32]
}

/// Closes a descriptor that was opened here or adopted.
#[napi(catch_unwind)]
pub fn fd_close(fd: i32) {
    if let Some(fd) = JsFd::adopt(fd) {
        owned::close(fd);
    }
}

/// The options in the order of their numbers.
const OPTIONS: [SocketOption; 11] = [
    SocketOption::ReuseAddress,
    SocketOption::ReusePort,
    SocketOption::NoDelay,
    SocketOption::KeepAlive,
    SocketOption::KeepAliveIdle,
    SocketOption::KeepAliveInterval,
    SocketOption::KeepAliveCount,
    SocketOption::Linger,
    SocketOption::ReceiveBuffer,
    SocketOption::SendBuffer,
    SocketOption::V6Only,
];

fn option_at(number: u32) -> Result<SocketOption> {
    OPTIONS
        .get(number as usize)
        .copied()
        .ok_or_else(|| Errno::INVAL.into())
}

fn with<T>(fd: i32, operation: impl FnOnce(JsFd) -> Result<T>) -> Result<T> {
    operation(JsFd::adopt(fd).ok_or(Errno::BADF)?)
}

fn answer(result: Result<i32>) -> i32 {
    result.unwrap_or_else(|error: Error| -error.errno())
}

fn give((first, second): (OwnedFd, OwnedFd), ends: &mut [i32]) -> Result<i32> {
    let [one, two] = ends else {
        return Err(Errno::INVAL.into());
    };
    *one = owned::give(first);
    *two = owned::give(second);
    Ok(0)
}

fn range(bytes: &[u8], offset: f64, length: f64) -> Result<&[u8]> {
    let rest = bytes.get(position(offset)?..).ok_or(Errno::INVAL)?;
    Ok(rest.get(..position(length)?).ok_or(Errno::INVAL)?)
}

fn range_mut(buffer: &mut [u8], offset: f64, length: f64) -> Result<&mut [u8]> {
    let rest = buffer.get_mut(position(offset)?..).ok_or(Errno::INVAL)?;
    Ok(rest.get_mut(..position(length)?).ok_or(Errno::INVAL)?)
}

/// A position in a buffer. Buffers of more than 4 GiB exist, and the conversion of Node-API to a
/// `u32` wraps. So positions cross as doubles; a value that is not a position is `EINVAL`.
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

/// As JavaScript has it: 2^53 - 1.
const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;

fn decode(bytes: &[u8]) -> Result<Address> {
    Address::decode(bytes).ok_or_else(|| Errno::INVAL.into())
}

fn encode(address: &Address, bytes: &mut [u8]) -> Result<()> {
    address
        .encode(bytes)
        .map(drop)
        .ok_or_else(|| Errno::INVAL.into())
}
