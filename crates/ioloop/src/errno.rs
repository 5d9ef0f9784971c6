//! The errnos that the core makes itself.
//!
//! They have the same numbers on every Unix and in the C library of Windows, so that a core without
//! an operating system has them too: on WASI, the same names have other numbers.

/// The descriptor, or the loop, is closed (`EBADF`).
pub const BADF: i32 = 9;
/// There is already one (`EEXIST`).
pub const EXIST: i32 = 17;
/// An argument is out of range (`EINVAL`).
pub const INVAL: i32 = 22;
/// An input or output failed, for no known reason (`EIO`).
pub const IO: i32 = 5;
/// The core has no selector, and watches nothing (`ENODEV`).
pub const NODEV: i32 = 19;
/// There is none (`ENOENT`).
pub const NOENT: i32 = 2;

#[cfg(all(test, not(loom), not(selector = "none")))]
mod tests {
    use rustix::io::Errno;

    #[test]
    fn the_numbers_are_those_of_the_system() {
        let numbers = [
            (super::BADF, Errno::BADF),
            (super::EXIST, Errno::EXIST),
            (super::INVAL, Errno::INVAL),
            (super::IO, Errno::IO),
            (super::NODEV, Errno::NODEV),
            (super::NOENT, Errno::NOENT),
        ];
        for (number, errno) in numbers {
            assert_eq!(number, errno.raw_os_error());
        }
    }
}
