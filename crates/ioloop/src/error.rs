//! The errors of the core: a closed set, each with the `errno` that the kernel uses for it.

use std::io;

/// What can go wrong in the core. `WouldBlock` is a state and never appears here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The descriptor already has a live registration (`epoll_ctl(2)`: `EEXIST`).
    #[error("the file descriptor is already registered")]
    Registered,
    /// No live registration: never made, removed, or its descriptor was closed (`ENOENT`).
    #[error("the file descriptor is not registered")]
    Unknown,
    /// What the operating system said.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The result of a core operation.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The `errno` of this error, always positive. An error without one of the kernel's is `EIO`.
    #[must_use]
    pub fn errno(&self) -> i32 {
        match self {
            Self::Registered => rustix::io::Errno::EXIST.raw_os_error(),
            Self::Unknown => rustix::io::Errno::NOENT.raw_os_error(),
            Self::Io(error) => error
                .raw_os_error()
                .unwrap_or_else(|| rustix::io::Errno::IO.raw_os_error()),
        }
    }
}

impl From<rustix::io::Errno> for Error {
    fn from(errno: rustix::io::Errno) -> Self {
        Self::Io(errno.into())
    }
}
