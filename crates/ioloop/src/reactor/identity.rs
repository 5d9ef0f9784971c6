//! The file that a descriptor number refers to.

use std::io;
use std::os::fd::AsFd;

use rustix::fs::FileType;
use rustix::io::Errno;

/// Device, inode and file type of an open descriptor. A number that was closed and reused has
/// another identity, with the exceptions of [`is_unique`](Self::is_unique).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    device: u64,
    inode: u64,
    kind: u32,
}

impl Identity {
    /// The current identity of `fd`. One `fstat(2)`.
    ///
    /// # Errors
    ///
    /// `EBADF` for a number that is not open.
    pub fn of(fd: impl AsFd) -> io::Result<Self> {
        let stat = rustix::fs::fstat(fd)?;
        #[allow(
            clippy::cast_sign_loss,
            clippy::unnecessary_cast,
            clippy::useless_conversion,
            reason = "the types of the fields differ between systems"
        )]
        Ok(Self {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            kind: u32::from(stat.st_mode) & FORMAT,
        })
    }

    /// Whether `fd` is another file, or closed. False if `fstat(2)` fails with another error than
    /// `EBADF`.
    pub fn differs(&self, fd: impl AsFd) -> bool {
        match Self::of(fd) {
            Ok(now) => now != *self,
            Err(error) => error.raw_os_error() == Some(Errno::BADF.raw_os_error()),
        }
    }

    /// Whether no other open file has the same identity. True for sockets, where the system numbers
    /// them. Two opens of a terminal or FIFO have one inode, and all eventfds, timerfds and inotify
    /// instances of Linux share one.
    #[must_use]
    #[allow(
        clippy::cast_possible_truncation,
        reason = "`of` has made it of a mode, which has 16 bits on some systems"
    )]
    pub fn is_unique(&self) -> bool {
        FileType::from_raw_mode(self.kind as _) == FileType::Socket && self.inode != 0
    }

    /// The identity as words, which are equal if and only if the identities are.
    #[must_use]
    pub const fn words(&self) -> [u64; 3] {
        [self.device, self.inode, self.kind as u64]
    }
}

/// `S_IFMT`.
const FORMAT: u32 = 0o170_000;

#[cfg(all(test, not(loom)))]
mod tests {
    use std::fs::File;

    use rustix::io::dup;

    use super::*;
    use crate::net;

    #[test]
    fn a_copy_of_a_descriptor_is_the_same_file() {
        let (socket, _peer) = net::pair().unwrap();
        let identity = Identity::of(&socket).unwrap();
        assert!(!identity.differs(dup(&socket).unwrap()));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn two_sockets_and_two_pipes_are_different_files() {
        let (one, two) = net::pair().unwrap();
        assert!(Identity::of(&one).unwrap().differs(&two));
        let (reader, _writer) = net::pipe().unwrap();
        let (other, _writer) = net::pipe().unwrap();
        assert!(Identity::of(&reader).unwrap().differs(&other));
        assert!(Identity::of(&reader).unwrap().differs(&one));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_identity_of_a_socket_is_unique_and_that_of_a_device_is_not() {
        let (socket, _peer) = net::pair().unwrap();
        assert!(Identity::of(&socket).unwrap().is_unique());
        let (one, two) = (File::open("/dev/null"), File::open("/dev/null"));
        let identity = Identity::of(one.unwrap()).unwrap();
        assert!(!identity.is_unique());
        assert!(!identity.differs(two.unwrap()));
    }
}
