//! Moving bytes. `EAGAIN` says that nothing can be moved now.

use std::io::IoSlice;
use std::os::fd::AsFd;

use rustix::io::{self, retry_on_intr};
use rustix::net::{self, RecvFlags, SendAncillaryBuffer, Shutdown};

use super::system::SEND_FLAGS;
use crate::Result;

/// Which direction of a connection to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Nothing more is read.
    Read,
    /// Nothing more is written: the peer reads the end of the stream.
    Write,
    /// Both.
    Both,
}

/// Receives what is there, at most a buffer full; 0 is the end of the stream.
///
/// # Errors
///
/// What `recv(2)` says.
pub fn recv(socket: impl AsFd, buffer: &mut [u8]) -> Result<usize> {
    // The second number counts what was cut off a datagram; a stream has none.
    Ok(retry_on_intr(|| net::recv(&socket, &mut *buffer, RecvFlags::empty()))?.0)
}

/// Sends as much of the bytes as fits into the kernel's buffer. A peer that is gone is `EPIPE`,
/// never a signal.
///
/// # Errors
///
/// What `send(2)` says.
pub fn send(socket: impl AsFd, bytes: &[u8]) -> Result<usize> {
    Ok(retry_on_intr(|| net::send(&socket, bytes, SEND_FLAGS))?)
}

/// [`send`] of several slices in one system call, in their order.
///
/// # Errors
///
/// What `sendmsg(2)` says; `EMSGSIZE` for more slices than `IOV_MAX`, 1024 on Linux and macOS.
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

/// [`recv`] for what is no socket: a pipe, a pty, a FIFO.
///
/// # Errors
///
/// What `read(2)` says.
pub fn read(fd: impl AsFd, buffer: &mut [u8]) -> Result<usize> {
    Ok(retry_on_intr(|| io::read(&fd, &mut *buffer))?)
}

/// [`send`] for what is no socket. The process should ignore `SIGPIPE`, as Node does.
///
/// # Errors
///
/// What `write(2)` says.
pub fn write(fd: impl AsFd, bytes: &[u8]) -> Result<usize> {
    Ok(retry_on_intr(|| io::write(&fd, bytes))?)
}

/// [`send_vectored`] for what is no socket.
///
/// # Errors
///
/// What `writev(2)` says; `EINVAL` for more slices than `IOV_MAX`.
pub fn write_vectored(fd: impl AsFd, slices: &[IoSlice<'_>]) -> Result<usize> {
    Ok(retry_on_intr(|| io::writev(&fd, slices))?)
}

/// Makes a descriptor that was opened elsewhere non-blocking.
///
/// # Errors
///
/// What `ioctl(2)` says.
pub fn set_nonblocking(fd: impl AsFd) -> Result<()> {
    Ok(io::ioctl_fionbio(fd, true)?)
}

/// Ends one direction, or both.
///
/// # Errors
///
/// What `shutdown(2)` says: `ENOTCONN` when the socket is not connected.
pub fn shutdown(socket: impl AsFd, how: How) -> Result<()> {
    let how = match how {
        How::Read => Shutdown::Read,
        How::Write => Shutdown::Write,
        How::Both => Shutdown::Both,
    };
    Ok(net::shutdown(socket, how)?)
}
