//! Opening, binding, connecting and accepting.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{self, AddressFamily};
use socket2::SockRef;

use super::{Address, system};
use crate::Result;

/// What kind of stream socket to open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// TCP over IPv4.
    V4,
    /// TCP over IPv6.
    V6,
    /// A Unix stream.
    Unix,
}

/// How far a connection attempt has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connect {
    /// It is there.
    Done,
    /// It goes on: the socket becomes writable when it has ended, and [`take_error`] tells how.
    InProgress,
}

/// Opens a stream socket.
///
/// # Errors
///
/// What `socket(2)` says.
pub fn open(domain: Domain) -> Result<OwnedFd> {
    let family = match domain {
        Domain::V4 => AddressFamily::INET,
        Domain::V6 => AddressFamily::INET6,
        Domain::Unix => AddressFamily::UNIX,
    };
    Ok(system::socket(family)?)
}

/// Two Unix stream sockets that are connected to each other.
///
/// # Errors
///
/// What `socketpair(2)` says.
pub fn pair() -> Result<(OwnedFd, OwnedFd)> {
    Ok(system::pair()?)
}

/// A pipe: its reading and its writing end.
///
/// # Errors
///
/// What `pipe2(2)` says.
pub fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    Ok(system::pipe()?)
}

/// Gives the socket an address. A Unix path is created and has to be absent.
///
/// # Errors
///
/// What `bind(2)` says, as a rule `EADDRINUSE` or `EACCES`.
pub fn bind(socket: impl AsFd, address: &Address) -> Result<()> {
    Ok(net::bind(socket, &address.to_any()?)?)
}

/// Lets the kernel queue up to `backlog` connections (and no more than the system's own limit).
///
/// # Errors
///
/// What `listen(2)` says.
pub fn listen(socket: impl AsFd, backlog: i32) -> Result<()> {
    Ok(net::listen(socket, backlog)?)
}

/// Takes the next connection off the queue.
///
/// # Errors
///
/// What `accept4(2)` says; `EAGAIN` when the queue is empty.
pub fn accept(listener: impl AsFd) -> Result<(OwnedFd, Address)> {
    let (socket, address) = retry_on_intr(|| system::accept(&listener))?;
    Ok((socket, Address::from_any(address)))
}

/// Starts to connect.
///
/// # Errors
///
/// What `connect(2)` says; `EINPROGRESS` is no error. A Unix socket whose listener's queue is full
/// says `EAGAIN`: there is nothing to wait for, try again later.
pub fn connect(socket: impl AsFd, address: &Address) -> Result<Connect> {
    match net::connect(socket, &address.to_any()?) {
        Ok(()) => Ok(Connect::Done),
        // Interrupted, it goes on in the kernel: connect(2) is not to be called again.
        Err(Errno::INPROGRESS | Errno::INTR) => Ok(Connect::InProgress),
        Err(error) => Err(error.into()),
    }
}

/// Takes the pending error of a socket, `SO_ERROR`: how a connection attempt ended.
///
/// # Errors
///
/// What `getsockopt(2)` says of the call itself.
pub fn take_error(socket: impl AsFd) -> Result<Option<std::io::Error>> {
    Ok(SockRef::from(&socket).take_error()?)
}

/// The socket's own address.
///
/// # Errors
///
/// What `getsockname(2)` says.
pub fn local_address(socket: BorrowedFd<'_>) -> Result<Address> {
    Ok(Address::from_any(Some(net::getsockname(socket)?)))
}

/// The address of the other end.
///
/// # Errors
///
/// What `getpeername(2)` says: `ENOTCONN` when there is none.
pub fn peer_address(socket: BorrowedFd<'_>) -> Result<Address> {
    Ok(Address::from_any(net::getpeername(socket)?))
}
