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

pub(super) fn take_in(
    socket: BorrowedFd<'_>,
    pipe: BorrowedFd<'_>,
    most: usize,
) -> io::Result<usize> {
    retry_on_intr(|| splice(socket, None, pipe, None, most, FLAGS))
}

/// What [`splice_through`] has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Bytes that have left the source; 0 is EOF.
    pub moved: usize,
    /// Those of them that are in the pipe: the sink is full, or has failed.
    pub held: usize,
    /// The error of the source after these bytes. The kernel does not report it again.
    pub failure: Option<Errno>,
    /// The error of the sink, likewise.
    pub sink_failure: Option<Errno>,
}

/// What [`splice_out`] has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Bytes that the socket has taken: less than all if it is full, or has failed.
    pub moved: usize,
    /// The error of the socket after these bytes. The kernel does not report it again.
    pub failure: Option<Errno>,
}

/// Moves about `most` bytes from one socket to another through a pipe, which is empty, in pieces of
/// `piece` bytes. Ends early when the source is drained or at EOF, and when the sink is full.
///
/// # Errors
///
/// Of [`splice_in`], if nothing was moved.
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
        let sent = send_out(&reader, &sink, count);
        passed.held = count - sent.moved;
        passed.sink_failure = sent.failure.filter(|&error| error != Errno::AGAIN);
    }
    Ok(passed)
}

/// Moves `length` bytes, which are in a pipe, to a socket, as far as that has room.
///
/// # Errors
///
/// Of `splice(2)`, if nothing was moved. `EAGAIN`: the socket is full. `EPIPE` if the peer has closed; raises `SIGPIPE`
/// unless the process ignores it, as Node does.
pub fn splice_out(pipe: impl AsFd, socket: impl AsFd, length: usize) -> Result<Sent> {
    let sent = send_out(pipe, socket, length);
    match sent.failure {
        Some(error) if sent.moved == 0 => Err(error.into()),
        Some(Errno::AGAIN) => Ok(Sent {
            failure: None,
            ..sent
        }),
        _ => Ok(sent),
    }
}

/// [`splice_out`], with `EAGAIN` as a failure.
pub(super) fn send_out(pipe: impl AsFd, socket: impl AsFd, length: usize) -> Sent {
    let mut moved = 0;
    while moved < length {
        match retry_on_intr(|| splice(&pipe, None, &socket, None, length - moved, FLAGS)) {
            Ok(count) if count > 0 => moved += count,
            // 0: the pipe has less than its owner has counted.
            result => {
                let failure = Some(result.err().unwrap_or(Errno::IO));
                return Sent { moved, failure };
            }
        }
    }
    Sent {
        moved,
        failure: None,
    }
}

/// The pipe does not block. Its sockets do not, by their own flag.
const FLAGS: SpliceFlags = SpliceFlags::MOVE.union(SpliceFlags::NONBLOCK);

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, TcpListener, TcpStream};
    use std::time::Duration;

    use super::*;

    /// Two ends of a connection.
    fn connection() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (near, listener.accept().unwrap().0)
    }

    /// The end of a connection whose peer has reset it.
    fn reset() -> TcpStream {
        let (near, far) = connection();
        socket2::SockRef::from(&far)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        drop(far);
        near
    }

    #[test]
    fn the_error_of_a_sink_comes_with_the_bytes_and_only_once() {
        let (source, mut sender) = connection();
        sender.write_all(b"bytes").unwrap();
        let mut sink = reset();
        let (reader, writer) = wide_pipe(4096).unwrap();
        let passed = splice_through(&source, (&writer, &reader), &sink, 4096, 4096).unwrap();
        assert_eq!((passed.moved, passed.held), (5, 5));
        assert_eq!(passed.failure, None);
        assert_eq!(passed.sink_failure, Some(Errno::CONNRESET));
        assert_eq!(sink.read(&mut [0; 8]).unwrap(), 0);
    }

    #[test]
    fn a_sink_that_has_failed_takes_nothing() {
        let (reader, writer) = wide_pipe(4096).unwrap();
        rustix::io::write(&writer, b"bytes").unwrap();
        let error = splice_out(&reader, reset(), 5).unwrap_err();
        assert_eq!(error.errno(), Errno::CONNRESET.raw_os_error());
    }

    #[test]
    fn a_full_sink_is_no_failure() {
        let (sink, _unread) = connection();
        sink.set_nonblocking(true).unwrap();
        let (reader, writer) = wide_pipe(1 << 16).unwrap();
        let sent = loop {
            let held = rustix::io::write(&writer, &vec![0; 1 << 16]).unwrap();
            match splice_out(&reader, &sink, held) {
                Ok(sent) if sent.moved == held => {}
                Ok(sent) => break sent,
                Err(error) => {
                    assert_eq!(error.errno(), Errno::AGAIN.raw_os_error());
                    break Sent::default();
                }
            }
        };
        assert_eq!(sent.failure, None);
    }
}
