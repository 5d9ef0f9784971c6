//! The errors of the core, each with an `errno`.

use std::io;

/// An error of the core. `WouldBlock` is a state, and not among them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The descriptor has a live registration (`EEXIST`).
    #[error("the file descriptor is already registered")]
    Registered,
    /// The token is stale, or the descriptor of its registration was closed (`ENOENT`).
    #[error("the file descriptor is not registered")]
    Unknown,
    /// An error of the operating system.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The result of a core operation.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The `errno` of this error, always positive; `EIO` for an I/O error without one.
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
