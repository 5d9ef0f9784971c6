//! Differences between epoll and kqueue.

use std::io;
use std::os::fd::RawFd;

use mio::unix::SourceFd;
use rustix::io::Errno;

use super::{Interest, Token};

/// The name of the selector's system call: `epoll`, `kqueue` or `poll`.
#[must_use]
pub const fn backend() -> &'static str {
    if cfg!(any(
        target_os = "linux",
        target_os = "android",
        target_os = "illumos"
    )) {
        "epoll"
    } else if cfg!(any(
        target_vendor = "apple",
        target_os = "freebsd",
        target_os = "netbsd",
        target_os = "openbsd",
        target_os = "dragonfly"
    )) {
        "kqueue"
    } else {
        "poll"
    }
}

/// Adds a source to the selector. False if its interest needs no place there.
pub(super) fn watch(
    registry: &mio::Registry,
    fd: RawFd,
    token: Token,
    interest: Interest,
) -> io::Result<bool> {
    let Some(wanted) = interest.to_mio() else {
        return Ok(false);
    };
    match registry.register(&mut SourceFd(&fd), token.to_mio(), wanted) {
        // A stale registration was left, and the number is its open file again (`dup2(2)`).
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            registry.reregister(&mut SourceFd(&fd), token.to_mio(), wanted)?;
        }
        result => result?,
    }
    Ok(true)
}

/// Whether an operation on a registration has failed because its descriptor was closed. `ENOENT`:
/// the number is a file that is not in the selector. `EPERM`: one that cannot be. `EBADF`: not open.
pub(super) fn is_gone(error: &io::Error) -> bool {
    let errno = error.raw_os_error();
    [Errno::NOENT, Errno::PERM, Errno::BADF]
        .iter()
        .any(|gone| errno == Some(gone.raw_os_error()))
}

/// Whether changing a registration fails if its open file is not in the selector. kqueue adds it
/// instead.
pub(super) const VERIFIES: bool = cfg!(any(target_os = "linux", target_os = "android"));
