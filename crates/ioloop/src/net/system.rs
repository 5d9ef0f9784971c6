//! Opening descriptors so that they are non-blocking, close-on-exec and raise no `SIGPIPE`, where
//! the systems differ: Linux does it in the call that opens, Apple's need more calls.

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

/// A process that another thread starts between two of these calls inherits the descriptor: there
/// is no call that does both. libuv has the same gap.
#[cfg(target_vendor = "apple")]
mod imp {
    use std::os::fd::{AsFd, OwnedFd};

    use rustix::io::{Errno, FdFlags, Result, fcntl_setfd, ioctl_fionbio};
    use rustix::net::{
        self, AddressFamily, SendFlags, SocketAddrAny, SocketFlags, SocketType, sockopt,
    };

    /// The sockets themselves are told: there is no `MSG_NOSIGNAL`.
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
        // `EINVAL` when the peer has reset the connection already: a write to it then says `EPIPE`
        // or `ECONNRESET` as on any other, and Node ignores `SIGPIPE`. To fail here would look as
        // if the listening socket were at fault.
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
