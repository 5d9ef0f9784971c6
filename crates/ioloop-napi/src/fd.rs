//! The one file that adopts descriptor numbers from JavaScript.
#![allow(
    unsafe_code,
    reason = "a number of JavaScript's is not an owned descriptor"
)]

use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// A descriptor number that JavaScript named. JavaScript owns the descriptor, and may have closed
/// it: nothing here relies on its being open, nor on what it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JsFd(RawFd);

impl JsFd {
    /// `None` for a number that cannot be a descriptor.
    pub(crate) fn adopt(fd: RawFd) -> Option<Self> {
        (fd >= 0).then_some(Self(fd))
    }

    /// The number.
    pub(crate) fn number(self) -> RawFd {
        self.0
    }

    /// Takes the descriptor over, to close it.
    pub(crate) fn into_owned(self) -> OwnedFd {
        // SAFETY: JavaScript gives the number up with this call. Should it lie, another part of
        // the program loses a descriptor, as with any `fs.closeSync`; no memory depends on it.
        unsafe { OwnedFd::from_raw_fd(self.0) }
    }
}

impl AsFd for JsFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: not -1, as `adopt` checks. The borrow goes into system calls only: one that was
        // closed is EBADF there, one that was used again is another file, and neither touches
        // memory. The reactor verifies its registrations.
        unsafe { BorrowedFd::borrow_raw(self.0) }
    }
}
