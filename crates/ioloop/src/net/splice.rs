//! Moving bytes between descriptors without copying them to memory of the process: through a pipe, by
//! `splice(2)`. Linux only.
//!
//! A pipe holds references to the pages of what it was given. Its owner counts the bytes in it: a pipe
//! is full when its slots are, whose bytes vary.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::{self, Errno, retry_on_intr};
use rustix::pipe::{SpliceFlags, fcntl_setpipe_size, splice};

use super::system;
use crate::Result;

/// A pipe with room for about `bytes`: reading end, writing end. Where the user has too many pages
/// in pipes, it is smaller.
///
/// # Errors
///
/// Of `pipe2(2)`: `EMFILE`, `ENFILE`.
pub fn wide_pipe(bytes: usize) -> Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = system::pipe()?;
    // `EPERM`: beyond the limits of the user. Any pipe will do.
    let _ = fcntl_setpipe_size(&writer, bytes);
    Ok((reader, writer))
}

/// Moves at most `most` bytes from a socket to a pipe, which is empty; 0 is EOF.
///
/// # Errors
///
/// Of `splice(2)`. `EAGAIN`: the socket is drained, or at an urgent mark, which only
/// [`recv`](super::recv) passes. `EINVAL`: the socket cannot be spliced.
pub fn splice_in(socket: impl AsFd, pipe: impl AsFd, most: usize) -> Result<usize> {
    Ok(take_in(socket.as_fd(), pipe.as_fd(), most)?)
}

fn take_in(socket: BorrowedFd<'_>, pipe: BorrowedFd<'_>, most: usize) -> io::Result<usize> {
    retry_on_intr(|| splice(socket, None, pipe, None, most, FLAGS))
}

/// What [`splice_through`] has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Bytes that have left the source; 0 is EOF.
    pub moved: usize,
    /// Those of them that are in the pipe: the sink is full, or has failed.
    pub held: usize,
    /// The error that has ended it after these bytes. The kernel does not report it again.
    pub failure: Option<Errno>,
}

/// Moves about `most` bytes from one socket to another through a pipe, which is empty, in pieces of
/// `piece` bytes. Ends early when the source is drained or at EOF, and when the sink is full.
///
/// # Errors
///
/// Of [`splice_in`], if nothing was moved. A failure of the sink leaves bytes in the pipe, and the next
/// [`splice_out`] reports it.
pub fn splice_through(
    source: impl AsFd,
    (writer, reader): (impl AsFd, impl AsFd),
    sink: impl AsFd,
    piece: usize,
    most: usize,
) -> Result<Passed> {
    let mut passed = Passed::default();
    while passed.held == 0 && passed.moved < most {
        let count = match take_in(source.as_fd(), writer.as_fd(), piece) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if passed.moved == 0 => return Err(error.into()),
            Err(error) => {
                passed.failure = Some(error);
                break;
            }
        };
        passed.moved += count;
        passed.held = count - splice_out(&reader, &sink, count).unwrap_or(0);
    }
    Ok(passed)
}

/// Moves `length` bytes, which are in a pipe, to a socket, as far as that has room. Less was moved
/// only if the socket is full, or has failed, which the next call reports.
///
/// # Errors
///
/// Of `splice(2)`. `EAGAIN`: the socket is full. `EPIPE` if the peer has closed; raises `SIGPIPE`
/// unless the process ignores it, as Node does.
pub fn splice_out(pipe: impl AsFd, socket: impl AsFd, length: usize) -> Result<usize> {
    let mut moved = 0;
    while moved < length {
        match retry_on_intr(|| splice(&pipe, None, &socket, None, length - moved, FLAGS)) {
            // The pipe has less than its owner has counted.
            Ok(0) => return Err(Errno::IO.into()),
            Ok(count) => moved += count,
            Err(_) if moved > 0 => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(moved)
}

/// The pipe does not block. Its sockets do not, by their own flag.
const FLAGS: SpliceFlags = SpliceFlags::MOVE.union(SpliceFlags::NONBLOCK);
