//! Sockets: numbers in, a result or a negative errno out.

use std::os::fd::AsFd;

use ioloop::net::{self, Connect, Domain, How};
use napi_derive::napi;
use rustix::io::Errno;

use super::address::{self, FAMILY_IPV4, FAMILY_IPV6, FAMILY_UNIX};
use crate::errno::or_errno;
use crate::fd::JsFd;
use crate::glue::glue;
use crate::owned;

/// Opens a stream socket of a `FAMILY_`. Its descriptor, or a negative errno.
#[napi(catch_unwind)]
#[must_use]
pub fn socket_open(family: u8) -> i32 {
    or_errno(|| {
        let domain = match family {
            FAMILY_IPV4 => Domain::V4,
            FAMILY_IPV6 => Domain::V6,
            FAMILY_UNIX => Domain::Unix,
            _ => return Err(Errno::AFNOSUPPORT.into()),
        };
        Ok(owned::give(net::open(domain)?))
    })
}

glue! {
    "`socketPair(ends)`: writes the descriptors of two connected Unix sockets to `ends`. 0, or a"
    "negative errno."
    socketPair(ends: &mut [i32]) {
        let (first, second) = net::pair()?;
        let [one, two] = ends else {
            return Err(Errno::INVAL.into());
        };
        *one = owned::give(first);
        *two = owned::give(second);
        Ok(())
    }
}

/// Binds a socket to an address. 0, or a negative errno.
#[napi(catch_unwind)]
pub fn socket_bind(fd: i32, address: &[u8]) -> i32 {
    or_errno(|| net::bind(JsFd::new(fd)?, &address::decode(address)?))
}

/// Lets the kernel queue up to `backlog` connections. 0, or a negative errno.
#[napi(catch_unwind)]
pub fn socket_listen(fd: i32, backlog: i32) -> i32 {
    or_errno(|| net::listen(JsFd::new(fd)?, backlog))
}

/// Lets no further connection into the backlog of a TCP listener. 0, or a negative errno: `-EIO` where
/// this is unsupported.
#[napi(catch_unwind)]
pub fn socket_refuse_new(fd: i32) -> i32 {
    or_errno(|| net::refuse_new(JsFd::new(fd)?))
}

/// Starts a connection: `CONNECTED`, `CONNECTING`, or a negative errno.
#[napi(catch_unwind)]
pub fn socket_connect(fd: i32, address: &[u8]) -> i32 {
    or_errno(|| {
        let connect = net::connect(JsFd::new(fd)?, &address::decode(address)?)?;
        Ok(match connect {
            Connect::Done => CONNECTED,
            Connect::InProgress => CONNECTING,
        })
    })
}

/// Result of `socketConnect`: the connection is established.
#[napi]
pub const CONNECTED: i32 = 0;

/// Result of `socketConnect`: the connection is in progress.
#[napi]
pub const CONNECTING: i32 = 1;

glue! {
    "`socketAccept(fd, address)`: accepts a connection, and writes its address to `address`. Its"
    "descriptor, or a negative errno."
    socketAccept(fd: i32, address: &mut [u8]) {
        let (socket, peer) = net::accept(JsFd::new(fd)?)?;
        address::encode(&peer, address)?;
        Ok(owned::give(socket))
    }
}

glue! {
    "`socketLocalAddress(fd, address)`: writes the socket's own address to `address`. 0, or a"
    "negative errno."
    socketLocalAddress(fd: i32, address: &mut [u8]) {
        address::encode(&net::local_address(JsFd::new(fd)?.as_fd())?, address)
    }
}

glue! {
    "`socketPeerAddress(fd, address)`: writes the address of the peer to `address`. 0, or a"
    "negative errno."
    socketPeerAddress(fd: i32, address: &mut [u8]) {
        address::encode(&net::peer_address(JsFd::new(fd)?.as_fd())?, address)
    }
}

/// 1 if a stream socket is connected, or was until its peer reset the connection; 0 if not.
#[napi(catch_unwind)]
pub fn socket_connected(fd: i32) -> i32 {
    or_errno(|| net::is_connected(JsFd::new(fd)?))
}

/// Takes the pending error of a socket: a negative errno, or 0 if there is none.
#[napi(catch_unwind)]
pub fn socket_take_error(fd: i32) -> i32 {
    or_errno(|| match net::take_error(JsFd::new(fd)?)? {
        Some(error) => Err(error.into()),
        None => Ok(()),
    })
}

/// Shuts down a direction, one of the `SHUTDOWN_` constants. 0, or a negative errno.
#[napi(catch_unwind)]
pub fn socket_shutdown(fd: i32, direction: u32) -> i32 {
    or_errno(|| {
        let how = match direction {
            SHUTDOWN_READ => How::Read,
            SHUTDOWN_WRITE => How::Write,
            SHUTDOWN_BOTH => How::Both,
            _ => return Err(Errno::INVAL.into()),
        };
        net::shutdown(JsFd::new(fd)?, how)
    })
}

/// Direction of `socketShutdown`: reading.
#[napi]
pub const SHUTDOWN_READ: u32 = 0;

/// Direction of `socketShutdown`: writing.
#[napi]
pub const SHUTDOWN_WRITE: u32 = 1;

/// Direction of `socketShutdown`: both.
#[napi]
pub const SHUTDOWN_BOTH: u32 = 2;
