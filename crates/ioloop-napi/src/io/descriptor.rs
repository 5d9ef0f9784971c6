//! Descriptors of any kind: their kind, their identity and their owner.

use ioloop::Result;
use ioloop::net::{self, Kind};
use ioloop::reactor::Identity;
use napi_derive::napi;
use rustix::io::Errno;

use crate::errno::or_errno;
use crate::fd::JsFd;
use crate::glue::glue;
use crate::owned;

/// The kind of a descriptor: one of the `KIND_` constants, or a negative errno.
#[napi(catch_unwind)]
pub fn fd_kind(fd: i32) -> i32 {
    or_errno(|| {
        Ok(match net::kind(JsFd::new(fd)?)? {
            Kind::Tcp => KIND_TCP,
            Kind::Stream => KIND_STREAM,
            Kind::Records => KIND_RECORDS,
            Kind::Messages => KIND_MESSAGES,
        })
    })
}

/// A TCP socket.
#[napi]
pub const KIND_TCP: i32 = 0;

/// Another stream of bytes: a Unix socket, a terminal.
#[napi]
pub const KIND_STREAM: i32 = 1;

/// A file whose reads may return whole records, of up to `LARGEST_RECORD` bytes: inotify, a pipe.
#[napi]
pub const KIND_RECORDS: i32 = 2;

/// A socket with messages, such as UDP.
#[napi]
pub const KIND_MESSAGES: i32 = 3;

/// The buffer size that a read of `KIND_RECORDS` needs.
#[napi]
#[expect(clippy::cast_possible_truncation, reason = "4096")]
pub const LARGEST_RECORD: u32 = net::LARGEST_RECORD as u32;

/// Takes over a descriptor that was opened elsewhere: it becomes non-blocking, and is closed with
/// the environment. 0, or a negative errno.
#[napi(catch_unwind)]
pub fn fd_adopt(fd: i32) -> i32 {
    or_errno(|| {
        let fd = JsFd::new(fd)?;
        net::set_nonblocking(fd)?;
        owned::adopt(fd);
        Ok(())
    })
}

/// Opens a second descriptor of the same file, which JavaScript owns. Its number, or a negative errno.
#[napi(catch_unwind)]
pub fn fd_duplicate(fd: i32) -> i32 {
    or_errno(|| Ok(owned::give(net::duplicate(JsFd::new(fd)?)?)))
}

/// Closes a descriptor that was opened here or adopted.
#[napi(catch_unwind)]
pub fn fd_close(fd: i32) {
    if let Ok(fd) = JsFd::new(fd) {
        owned::close(fd);
    }
}

glue! {
    "`fdIdentify(fd, identity)`: writes the identity of the file that has a number now:"
    "`IDENTITY_WORDS` words. 0, or a negative errno."
    fdIdentify(fd: i32, identity: &mut [i32]) {
        let identity = identity.first_chunk_mut().ok_or(Errno::INVAL)?;
        *identity = identity_of(JsFd::new(fd)?)?;
        Ok(())
    }
}

glue! {
    "`fdIs(fd, identity)`: 1 if the number still is the file with this identity; 0 if it is another"
    "file. A negative errno if that cannot be determined."
    fdIs(fd: i32, identity: &mut [i32]) {
        Ok(identity_of(JsFd::new(fd)?)? == *identity)
    }
}

/// Words of an identity.
#[napi]
pub const IDENTITY_WORDS: u32 = 5;

#[expect(clippy::cast_possible_truncation, reason = "both halves are kept")]
fn identity_of(fd: JsFd) -> Result<[i32; IDENTITY_WORDS as usize]> {
    let [device, inode, kind] = Identity::of(fd)?.words();
    let halves = |word: u64| [word as i32, (word >> 32) as i32];
    let ([a, b], [c, d]) = (halves(device), halves(inode));
    Ok([a, b, c, d, kind as i32])
}
