//! The errors of the core, each with an `errno`.

use std::io;

use crate::errno;

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
    /// The loop is closed, or the number cannot be a descriptor (`EBADF`).
    #[error("bad file descriptor")]
    Closed,
    /// An argument is out of range (`EINVAL`).
    #[error("invalid argument")]
    Invalid,
    /// The core was built without a selector, and watches nothing (`ENODEV`).
    #[error("this build watches no file descriptors")]
    Unsupported,
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
            Self::Registered => errno::EXIST,
            Self::Unknown => errno::NOENT,
            Self::Closed => errno::BADF,
            Self::Invalid => errno::INVAL,
            Self::Unsupported => errno::NODEV,
            Self::Io(error) => system_errno(error),
        }
    }
}

#[cfg(not(selector = "none"))]
fn system_errno(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(errno::IO)
}

/// Without a system of descriptors, the numbers of the system are not those of an `errno`.
#[cfg(selector = "none")]
fn system_errno(_: &io::Error) -> i32 {
    errno::IO
}

#[cfg(not(selector = "none"))]
impl From<rustix::io::Errno> for Error {
    fn from(errno: rustix::io::Errno) -> Self {
        Self::Io(errno.into())
    }
}
