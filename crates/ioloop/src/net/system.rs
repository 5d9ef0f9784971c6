//! Opening descriptors that are non-blocking, close-on-exec and without `SIGPIPE`.
//!
//! # Portability
//!
//! Linux sets the flags in the call that opens; Apple's systems need further calls.

pub(super) use imp::{SEND_FLAGS, accept, pair, pipe, socket};

#[cfg(not(target_vendor = "apple"))]
mod imp {
    use std::os::fd::{AsFd, OwnedFd};

    use rustix::io::Result;
    use rustix::net::{self, AddressFamily, SendFlags, SocketAddrAny, SocketFlags, SocketType};
    use rustix::pipe::{PipeFlags, pipe_with};

    pub(in super::super) const SEND_FLAGS: SendFlags = SendFlags::NOSIGNAL;

    const FLAGS: SocketFlags = SocketFlags::CLOEXEC.union(SocketFlags::NONBLOCK);

    pub(in super::super) fn socket(family: AddressFamily) -> Result<OwnedFd> {
        net::socket_with(family, SocketType::STREAM, FLAGS, None)
    }

    pub(in super::super) fn pair() -> Result<(OwnedFd, OwnedFd)> {
        net::socketpair(AddressFamily::UNIX, SocketType::STREAM, FLAGS, None)
    }

    pub(in super::super) fn pipe() -> Result<(OwnedFd, OwnedFd)> {
        pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)
    }

    pub(in super::super) fn accept(
        listener: impl AsFd,
    ) -> Result<(OwnedFd, Option<SocketAddrAny>)> {
        net::acceptfrom_with(listener, FLAGS)
    }
}

/// A process that another thread starts between two of these calls inherits the descriptor. No call
/// does both; libuv has the same gap.
#[cfg(target_vendor = "apple")]
mod imp {
    use std::os::fd::{AsFd, OwnedFd};

    use rustix::io::{Errno, FdFlags, Result, fcntl_setfd, ioctl_fionbio};
    use rustix::net::{
        self, AddressFamily, SendFlags, SocketAddrAny, SocketFlags, SocketType, sockopt,
    };

    /// No `MSG_NOSIGNAL`: the option `SO_NOSIGPIPE` of the sockets replaces it.
    pub(in super::super) const SEND_FLAGS: SendFlags = SendFlags::empty();

    pub(in super::super) fn socket(family: AddressFamily) -> Result<OwnedFd> {
        let socket = net::socket(family, SocketType::STREAM, None)?;
        quiet(&socket)?;
        Ok(socket)
    }

    pub(in super::super) fn pair() -> Result<(OwnedFd, OwnedFd)> {
        let flags = SocketFlags::empty();
        let (one, two) = net::socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        quiet(&one)?;
        quiet(&two)?;
        Ok((one, two))
    }

    pub(in super::super) fn pipe() -> Result<(OwnedFd, OwnedFd)> {
        let (reader, writer) = rustix::pipe::pipe()?;
        prepare(&reader)?;
        prepare(&writer)?;
        Ok((reader, writer))
    }

    pub(in super::super) fn accept(
        listener: impl AsFd,
    ) -> Result<(OwnedFd, Option<SocketAddrAny>)> {
        let (socket, address) = net::acceptfrom(listener)?;
        // `EINVAL`: the peer has already reset the connection. A write to it fails with `EPIPE` or
        // `ECONNRESET`, and Node ignores `SIGPIPE`. An error here would look like a failure of the
        // listening socket.
        prepare(&socket)?;
        match sockopt::set_socket_nosigpipe(&socket, true) {
            Ok(()) | Err(Errno::INVAL) => Ok((socket, address)),
            Err(error) => Err(error),
        }
    }

    fn quiet(socket: &OwnedFd) -> Result<()> {
        prepare(socket)?;
        sockopt::set_socket_nosigpipe(socket, true)
    }

    fn prepare(fd: &OwnedFd) -> Result<()> {
        fcntl_setfd(fd, FdFlags::CLOEXEC)?;
        ioctl_fionbio(fd, true)
    }
}
