//! Registrations by descriptor number.

use std::collections::HashMap;
use std::os::fd::RawFd;

/// The index of the registration of a descriptor number. The system gives the lowest free number, so
/// that a table by number is dense: 4 bytes for each. A hash map takes 9 to 18, and leaves as much in
/// holes of the heap when it grows.
#[derive(Default)]
pub(super) struct ByFd {
    /// Of numbers below [`LOW`]: the index plus one, or [`NONE`].
    low: Vec<u32>,
    /// Of larger ones, which few programs have: by `dup2(2)`, or among a million others.
    high: HashMap<RawFd, u32>,
}

/// A table of 4 MiB at most.
const LOW: usize = 1 << 20;
const NONE: u32 = 0;

impl ByFd {
    /// `index` is at most [`MAX_INDEX`](super::token::MAX_INDEX).
    pub(super) fn insert(&mut self, fd: RawFd, index: u32) {
        let Some(place) = place_of(fd) else {
            self.high.insert(fd, index);
            return;
        };
        if place >= self.low.len() {
            self.low.resize(place + 1, NONE);
        }
        self.low[place] = index + 1;
    }

    pub(super) fn remove(&mut self, fd: RawFd) {
        let Some(place) = place_of(fd) else {
            self.high.remove(&fd);
            return;
        };
        if let Some(entry) = self.low.get_mut(place) {
            *entry = NONE;
        }
    }

    pub(super) fn get(&self, fd: RawFd) -> Option<u32> {
        let Some(place) = place_of(fd) else {
            return self.high.get(&fd).copied();
        };
        self.low.get(place)?.checked_sub(1)
    }
}

/// The place of a number in the table; `None` if it is not for the table.
fn place_of(fd: RawFd) -> Option<usize> {
    usize::try_from(fd).ok().filter(|&place| place < LOW)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const LAST_LOW: RawFd = (1 << 20) - 1;

    #[test]
    fn each_number_has_its_index_until_it_is_removed() {
        let numbers = [0, 3, 700, LAST_LOW, LAST_LOW + 1, RawFd::MAX];
        let mut by_fd = ByFd::default();
        for (index, &fd) in (0..).zip(&numbers) {
            assert_eq!(by_fd.get(fd), None);
            by_fd.insert(fd, index);
        }
        for (index, &fd) in (0..).zip(&numbers) {
            assert_eq!(by_fd.get(fd), Some(index));
            by_fd.insert(fd, index + 7);
            assert_eq!(by_fd.get(fd), Some(index + 7));
            by_fd.remove(fd);
            assert_eq!(by_fd.get(fd), None);
            by_fd.remove(fd);
        }
        assert_eq!(by_fd.get(4), None);
    }

    #[test]
    fn large_numbers_take_no_table() {
        let mut by_fd = ByFd::default();
        by_fd.insert(RawFd::MAX, 1);
        by_fd.insert(LAST_LOW + 1, 2);
        assert_eq!(by_fd.low.capacity(), 0);
    }
}
