//! Descriptor numbers of JavaScript. The only file that makes descriptors of them.
#![allow(
    unsafe_code,
    reason = "a number of JavaScript's is not an owned descriptor"
)]

use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::io::Errno;

/// A descriptor number that JavaScript has passed. JavaScript owns the descriptor, and may have
/// closed it: nothing relies on its being open, nor on which file it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JsFd(RawFd);

impl JsFd {
    /// # Errors
    ///
    /// `EBADF` for a negative number.
    pub(crate) fn new(number: RawFd) -> Result<Self, Errno> {
        if number < 0 {
            return Err(Errno::BADF);
        }
        Ok(Self(number))
    }

    /// The number.
    pub(crate) fn number(self) -> RawFd {
        self.0
    }

    /// Takes the descriptor over, to close it.
    pub(crate) fn into_owned(self) -> OwnedFd {
        // SAFETY: not -1, which `new` refuses. JavaScript gives the number up with this call. If it
        // does not own the number, another part of the program loses a descriptor, as with
        // `fs.closeSync`: no memory depends on it.
        unsafe { OwnedFd::from_raw_fd(self.0) }
    }
}

impl AsFd for JsFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: not -1, which `new` refuses. The borrow is passed to system calls only: a closed
        // number is EBADF there, a reused one is another file, and neither touches memory. The
        // reactor verifies its registrations.
        unsafe { BorrowedFd::borrow_raw(self.0) }
    }
}
