//! The kinds of descriptors, as to how reads drain them.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, fstat};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, getpeername, sockopt};

use crate::Result;

/// The delivery of bytes by a descriptor, and the proof that it is drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A TCP connection or listener. A short `recv` means drained, unless an urgent mark is pending
    /// (`EPOLLPRI`) or the peer has closed.
    Tcp,
    /// Another stream of bytes: a Unix socket, a terminal. A read may stop short (at a message with
    /// descriptors, at the end of a line), so only `EAGAIN` means drained.
    Stream,
    /// A file that may deliver whole records: inotify, eventfd, timerfd, signalfd, evdev, or a pipe
    /// (packet mode shows only at its writing end). A read fails with `EINVAL` or truncates a record
    /// that does not fit. [`LARGEST_RECORD`] bytes fit each of these.
    Records,
    /// A socket of messages: datagrams, `SOCK_SEQPACKET`. A message that does not fit is truncated,
    /// and an empty message is not EOF.
    Messages,
}

/// `PIPE_BUF`, the largest packet of a pipe; records of inotify and the like are smaller.
pub const LARGEST_RECORD: usize = 4096;

/// The kind of `fd`.
///
/// # Errors
///
/// Of `fstat(2)` or `getsockopt(2)`, usually `EBADF`.
pub fn kind(fd: impl AsFd) -> Result<Kind> {
    let fd = fd.as_fd();
    Ok(match FileType::from_raw_mode(fstat(fd)?.st_mode) {
        FileType::Socket => return socket_kind(fd),
        FileType::CharacterDevice if rustix::termios::isatty(fd) => Kind::Stream,
        _ => Kind::Records,
    })
}

/// The kind of a socket.
///
/// # Errors
///
/// Of `getsockopt(2)`: `ENOTSOCK`, `EBADF`.
pub fn socket_kind(fd: impl AsFd) -> Result<Kind> {
    let fd = fd.as_fd();
    if sockopt::socket_type(fd)? != SocketType::STREAM {
        return Ok(Kind::Messages);
    }
    Ok(if is_tcp(fd)? { Kind::Tcp } else { Kind::Stream })
}

/// Whether a stream socket is or was connected. After a reset, `getpeername(2)` fails with
/// `ENOTCONN`, as for a new socket.
///
/// # Errors
///
/// Of `getpeername(2)` or `poll(2)`.
pub fn is_connected(socket: impl AsFd) -> Result<bool> {
    match getpeername(&socket) {
        Ok(_) => Ok(true),
        // EINVAL: a socket that was shut down (Darwin).
        Err(Errno::NOTCONN | Errno::INVAL) => was_connected(socket.as_fd()),
        Err(error) => Err(error.into()),
    }
}

/// A new socket reports a hang-up, but no closed reading side and no error.
fn was_connected(socket: BorrowedFd<'_>) -> Result<bool> {
    let mut fds = [PollFd::from_borrowed_fd(socket, PollFlags::IN | CLOSED)];
    poll(&mut fds, Some(&Timespec::default()))?;
    Ok(fds[0].revents().intersects(CLOSED | PollFlags::ERR))
}

#[cfg(any(target_os = "linux", target_os = "android"))]
const CLOSED: PollFlags = PollFlags::RDHUP;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const CLOSED: PollFlags = PollFlags::IN;

#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_tcp(fd: BorrowedFd<'_>) -> Result<bool> {
    let is_internet =
        [AddressFamily::INET, AddressFamily::INET6].contains(&sockopt::socket_domain(fd)?);
    Ok(is_internet && sockopt::socket_protocol(fd)? == Some(rustix::net::ipproto::TCP))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn is_tcp(fd: BorrowedFd<'_>) -> Result<bool> {
    let family = rustix::net::getsockname(fd)?.address_family();
    Ok([AddressFamily::INET, AddressFamily::INET6].contains(&family))
}
