//! Results as JavaScript gets them: 0 or more is the value, less is a negative `errno`.

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
