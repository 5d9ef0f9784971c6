//! Opening descriptors that are non-blocking, close-on-exec and without `SIGPIPE`.
//!
//! # Portability
//!
//! Linux sets the flags in the call that opens; Apple's systems need further calls.

pub(super) use filter::refuse_new;
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

#[cfg(any(target_os = "linux", target_os = "android"))]
mod filter {
    use std::io;
    use std::os::fd::AsFd;

    use socket2::{SockFilter, SockRef};

    /// A packet filter of the listening socket. It sees each segment from its TCP header on.
    pub(in super::super) fn refuse_new(listener: impl AsFd) -> io::Result<()> {
        SockRef::from(&listener.as_fd()).attach_filter(&[
            SockFilter::new(LOAD_BYTE, 0, 0, TCP_FLAGS),
            SockFilter::new(JUMP_IF_SET, 0, 1, TCP_SYN),
            SockFilter::new(RETURN, 0, 0, DROP),
            SockFilter::new(RETURN, 0, 0, PASS),
        ])
    }

    /// `BPF_LD | BPF_B | BPF_ABS`.
    const LOAD_BYTE: u16 = 0x30;
    /// `BPF_JMP | BPF_JSET | BPF_K`.
    const JUMP_IF_SET: u16 = 0x45;
    /// `BPF_RET | BPF_K`.
    const RETURN: u16 = 0x06;
    /// The byte of a TCP header with the flags.
    const TCP_FLAGS: u32 = 13;
    const TCP_SYN: u32 = 0x02;
    const DROP: u32 = 0;
    const PASS: u32 = u32::MAX;
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod filter {
    use std::io;
    use std::os::fd::AsFd;

    pub(in super::super) fn refuse_new(_listener: impl AsFd) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
