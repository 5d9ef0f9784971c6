//! Opening, binding, connecting and accepting.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{self, AddressFamily};
use socket2::SockRef;

use super::{Address, system};
use crate::Result;

/// The domain of a stream socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// TCP over IPv4.
    V4,
    /// TCP over IPv6.
    V6,
    /// A Unix stream.
    Unix,
}

/// The state of a connection attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connect {
    /// Connected.
    Done,
    /// In progress. The socket becomes writable at the end; [`take_error`] has the result.
    InProgress,
}

/// Opens a stream socket.
///
/// # Errors
///
/// Of `socket(2)`.
pub fn open(domain: Domain) -> Result<OwnedFd> {
    let family = match domain {
        Domain::V4 => AddressFamily::INET,
        Domain::V6 => AddressFamily::INET6,
        Domain::Unix => AddressFamily::UNIX,
    };
    Ok(system::socket(family)?)
}

/// A pair of connected Unix stream sockets.
///
/// # Errors
///
/// Of `socketpair(2)`.
pub fn pair() -> Result<(OwnedFd, OwnedFd)> {
    Ok(system::pair()?)
}

/// A pipe: reading end, writing end.
///
/// # Errors
///
/// Of `pipe2(2)`.
pub fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    Ok(system::pipe()?)
}

/// Binds a socket to an address. A Unix path must not exist; it is created.
///
/// # Errors
///
/// Of `bind(2)`, usually `EADDRINUSE` or `EACCES`.
pub fn bind(socket: impl AsFd, address: &Address) -> Result<()> {
    Ok(net::bind(socket, &address.to_any()?)?)
}

/// Listens for connections. The backlog is at most the system's limit.
///
/// # Errors
///
/// Of `listen(2)`.
pub fn listen(socket: impl AsFd, backlog: i32) -> Result<()> {
    Ok(net::listen(socket, backlog)?)
}

/// Accepts the next connection of the backlog.
///
/// # Errors
///
/// Of `accept4(2)`; `EAGAIN` if the backlog is empty.
pub fn accept(listener: impl AsFd) -> Result<(OwnedFd, Address)> {
    let (socket, address) = retry_on_intr(|| system::accept(&listener))?;
    Ok((socket, Address::from_any(address)))
}

/// Lets no further connection into the backlog of a TCP listener, before it is closed: what closing
/// resets are the connections in the backlog. New attempts are dropped, and so repeated by the peer;
/// those whose handshake has begun complete it. Linux.
///
/// # Errors
///
/// Of `setsockopt(2)`; `EIO` where this is unsupported.
pub fn refuse_new(listener: impl AsFd) -> Result<()> {
    Ok(system::refuse_new(listener)?)
}

/// Starts a connection attempt.
///
/// # Errors
///
/// Of `connect(2)`, except `EINPROGRESS`. `EAGAIN` for a Unix socket whose listener has a full
/// backlog: no readiness follows, so try again later.
pub fn connect(socket: impl AsFd, address: &Address) -> Result<Connect> {
    match net::connect(socket, &address.to_any()?) {
        Ok(()) => Ok(Connect::Done),
        // After EINTR the attempt continues in the kernel: do not call connect(2) again.
        Err(Errno::INPROGRESS | Errno::INTR) => Ok(Connect::InProgress),
        Err(error) => Err(error.into()),
    }
}

/// Takes the pending error of a socket (`SO_ERROR`): the result of a connection attempt.
///
/// # Errors
///
/// Of `getsockopt(2)` itself.
pub fn take_error(socket: impl AsFd) -> Result<Option<std::io::Error>> {
    Ok(SockRef::from(&socket).take_error()?)
}

/// The local address of a socket.
///
/// # Errors
///
/// Of `getsockname(2)`.
pub fn local_address(socket: BorrowedFd<'_>) -> Result<Address> {
    Ok(Address::from_any(Some(net::getsockname(socket)?)))
}

/// The address of the peer.
///
/// # Errors
///
/// Of `getpeername(2)`: `ENOTCONN` without a peer.
pub fn peer_address(socket: BorrowedFd<'_>) -> Result<Address> {
    Ok(Address::from_any(net::getpeername(socket)?))
}
