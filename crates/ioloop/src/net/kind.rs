//! What a descriptor is, as far as reading it is concerned.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, fstat};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, getpeername, ipproto, sockopt};

use crate::Result;

/// How the bytes of a descriptor come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A TCP connection or listener. A `recv` that gives less than it was asked for has emptied it,
    /// unless an urgent mark has stopped it (`EPOLLPRI`) or the peer has closed.
    Tcp,
    /// Another stream of bytes: a Unix socket, a terminal. A read may stop anywhere (at a
    /// message with descriptors, at the end of a line): only `EAGAIN` says that nothing is left.
    Stream,
    /// A file whose reads may give whole records: inotify, eventfd, timerfd, signalfd, evdev, or a
    /// pipe, as only its writing end shows packet mode. A record that does not fit is refused
    /// (`EINVAL`) or cut off. Room for [`LARGEST_RECORD`] bytes fits each of these.
    Records,
    /// A socket with messages: datagrams, `SOCK_SEQPACKET`. What does not fit is cut off, and an
    /// empty message is not the end.
    Messages,
}

/// `PIPE_BUF`, the largest packet of a pipe; records of inotify and the like are smaller.
pub const LARGEST_RECORD: usize = 4096;

/// What `fd` is.
///
/// # Errors
///
/// What `fstat(2)` or `getsockopt(2)` says, as a rule `EBADF`.
pub fn kind(fd: impl AsFd) -> Result<Kind> {
    let fd = fd.as_fd();
    Ok(match FileType::from_raw_mode(fstat(fd)?.st_mode) {
        FileType::Socket => return socket_kind(fd),
        FileType::CharacterDevice if rustix::termios::isatty(fd) => Kind::Stream,
        _ => Kind::Records,
    })
}

/// [`kind`] of a socket.
///
/// # Errors
///
/// What `getsockopt(2)` says: `ENOTSOCK`, `EBADF`.
pub fn socket_kind(fd: impl AsFd) -> Result<Kind> {
    let fd = fd.as_fd();
    if sockopt::socket_type(fd)? != SocketType::STREAM {
        return Ok(Kind::Messages);
    }
    Ok(if is_tcp(fd)? { Kind::Tcp } else { Kind::Stream })
}

/// Whether a stream socket is connected, or was: its connection may have been reset before anyone
/// looked, and `getpeername(2)` says `ENOTCONN` then as of a new socket.
///
/// # Errors
///
/// What `getpeername(2)` or `poll(2)` says.
pub fn is_connected(socket: impl AsFd) -> Result<bool> {
    match getpeername(&socket) {
        Ok(_) => Ok(true),
        // Darwin says EINVAL of a socket that was shut down.
        Err(Errno::NOTCONN | Errno::INVAL) => was_connected(socket.as_fd()),
        Err(error) => Err(error.into()),
    }
}

/// A new socket is hung up, but its reading side is not closed, nor has it an error.
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
    Ok(is_internet && sockopt::socket_protocol(fd)? == Some(ipproto::TCP))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn is_tcp(fd: BorrowedFd<'_>) -> Result<bool> {
    let family = rustix::net::getsockname(fd)?.address_family();
    Ok([AddressFamily::INET, AddressFamily::INET6].contains(&family))
}
