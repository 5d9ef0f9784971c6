//! Results as JavaScript gets them: 0 or more is the value, less is a negative `errno`.

use std::io;

use ioloop::{Result, errno};

/// Runs `operation` and converts its result.
pub(crate) fn or_errno<T: Value>(operation: impl FnOnce() -> Result<T>) -> i32 {
    match operation() {
        Ok(value) => value.number(),
        Err(error) => -error.errno(),
    }
}

/// A result that crosses as a number, never a negative one.
pub(crate) trait Value {
    fn number(self) -> i32;
}

impl Value for () {
    fn number(self) -> i32 {
        0
    }
}

impl Value for bool {
    fn number(self) -> i32 {
        i32::from(self)
    }
}

impl Value for i32 {
    fn number(self) -> i32 {
        self
    }
}

/// A count or an index. Saturates: what is above `i32::MAX` would read as an errno.
impl Value for usize {
    fn number(self) -> i32 {
        i32::try_from(self).unwrap_or(i32::MAX)
    }
}

/// The loop is closed, or the number cannot be a descriptor.
pub(crate) const CLOSED: i32 = -errno::BADF;

/// The reason why something could not start, for functions that may throw.
pub(crate) enum Failure {
    /// A system call failed with this errno, a positive number.
    Errno(i32),
    /// Any other error, to be thrown.
    Other(napi::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Errno(error.raw_os_error().unwrap_or(errno::IO))
    }
}

impl From<Failure> for napi::Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Errno(errno) => io::Error::from_raw_os_error(errno).into(),
            Failure::Other(error) => error,
        }
    }
}

impl From<napi::Error> for Failure {
    fn from(error: napi::Error) -> Self {
        Self::Other(error)
    }
}
