//! Receiving and sending. `EAGAIN`: would block.

use std::io::IoSlice;
use std::os::fd::{AsFd, OwnedFd, RawFd};

use rustix::io::{self, retry_on_intr};
use rustix::net::{self, RecvFlags, SendAncillaryBuffer, Shutdown};

use super::system::SEND_FLAGS;
use crate::Result;

/// The direction of a [`shutdown`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Receiving.
    Read,
    /// Sending: the peer reads EOF.
    Write,
    /// Both.
    Both,
}

/// Receives at most `buffer.len()` bytes; 0 is EOF.
///
/// # Errors
///
/// Of `recv(2)`.
pub fn recv(socket: impl AsFd, buffer: &mut [u8]) -> Result<usize> {
    // The second number is the length before truncation, for datagrams.
    Ok(retry_on_intr(|| net::recv(&socket, &mut *buffer, RecvFlags::empty()))?.0)
}

/// Sends as many bytes as the send buffer has room for.
///
/// # Errors
///
/// Of `send(2)`. `EPIPE`, without a signal, if the peer has closed.
pub fn send(socket: impl AsFd, bytes: &[u8]) -> Result<usize> {
    Ok(retry_on_intr(|| net::send(&socket, bytes, SEND_FLAGS))?)
}

/// [`send`] of several slices, in order, in one system call.
///
/// # Errors
///
/// Of `sendmsg(2)`. `EMSGSIZE` for more slices than `IOV_MAX`, 1,024 on Linux and macOS.
pub fn send_vectored(socket: impl AsFd, slices: &[IoSlice<'_>]) -> Result<usize> {
    Ok(retry_on_intr(|| {
        net::sendmsg(
            &socket,
            slices,
            &mut SendAncillaryBuffer::default(),
            SEND_FLAGS,
        )
    })?)
}

/// [`recv`] for descriptors that are not sockets: pipes, ptys, FIFOs.
///
/// # Errors
///
/// Of `read(2)`.
pub fn read(fd: impl AsFd, buffer: &mut [u8]) -> Result<usize> {
    Ok(retry_on_intr(|| io::read(&fd, &mut *buffer))?)
}

/// [`send`] for descriptors that are not sockets. Raises `SIGPIPE` unless the process ignores it, as
/// Node does.
///
/// # Errors
///
/// Of `write(2)`.
pub fn write(fd: impl AsFd, bytes: &[u8]) -> Result<usize> {
    Ok(retry_on_intr(|| io::write(&fd, bytes))?)
}

/// [`send_vectored`] for descriptors that are not sockets.
///
/// # Errors
///
/// Of `writev(2)`. `EINVAL` for more slices than `IOV_MAX`.
pub fn write_vectored(fd: impl AsFd, slices: &[IoSlice<'_>]) -> Result<usize> {
    Ok(retry_on_intr(|| io::writev(&fd, slices))?)
}

/// Makes a descriptor non-blocking.
///
/// # Errors
///
/// Of `ioctl(2)`.
pub fn set_nonblocking(fd: impl AsFd) -> Result<()> {
    Ok(io::ioctl_fionbio(fd, true)?)
}

/// Another descriptor of the same file. Its flags, such as non-blocking, are those of the file.
///
/// # Errors
///
/// Of `fcntl(2)`: `EMFILE`.
pub fn duplicate(fd: impl AsFd) -> Result<OwnedFd> {
    Ok(io::fcntl_dupfd_cloexec(fd, FIRST_AFTER_STDERR)?)
}

/// A program that has closed its standard input does not get a socket for it.
const FIRST_AFTER_STDERR: RawFd = 3;

/// Ends one direction of a connection, or both.
///
/// # Errors
///
/// Of `shutdown(2)`: `ENOTCONN` if the socket is not connected.
pub fn shutdown(socket: impl AsFd, how: How) -> Result<()> {
    let how = match how {
        How::Read => Shutdown::Read,
        How::Write => Shutdown::Write,
        How::Both => Shutdown::Both,
    };
    Ok(net::shutdown(socket, how)?)
}
