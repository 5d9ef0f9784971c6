//! Interest and readiness.
//!
//! The bits are Tornado's, so that no layer translates them: `READ` 0x001, `PRI` 0x002, `WRITE`
//! 0x004, `ERROR` 0x018 (`EPOLLERR | EPOLLHUP`). The others are this library's.

use bitflags::bitflags;

bitflags! {
    /// The operations that the owner of a source waits for. Errors and hang-up are always reported,
    /// also for an empty interest.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Interest: u8 {
        /// Data, a connection to accept, or EOF.
        const READABLE = 0x01;
        /// An exceptional condition (`EPOLLPRI`): TCP urgent data, a change in sysfs or procfs.
        /// Ignored where [`HAS_PRIORITY`] is false.
        const PRIORITY = 0x02;
        /// Room to write, or a finished connection attempt.
        const WRITABLE = 0x04;
        /// Edge-triggered: each change is reported once. Without this bit the source is
        /// level-triggered.
        const EDGE = 0x80;
    }

    /// The operations that are possible. A bit may be spurious: the operation then would block.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Readiness: u8 {
        /// A read does not block: data, a connection, or EOF.
        const READABLE = 0x01;
        /// An exceptional condition (`EPOLLPRI`). Always reported with `READABLE`: a read stops at
        /// an urgent mark, so a short read does not mean drained.
        const PRIORITY = 0x02;
        /// A write does not block.
        const WRITABLE = 0x04;
        /// An error is pending (`EPOLLERR`).
        const ERROR = 0x08;
        /// Both directions are closed (`EPOLLHUP`).
        const HANG_UP = 0x10;
        /// The peer has closed its writing side (`EPOLLRDHUP`). EOF follows the data, so a short
        /// read does not mean drained. Not shown to handlers.
        const READ_CLOSED = 0x20;
        /// The descriptor number was closed and may belong to another file. The registration was
        /// removed. This is its last report, with no other bits.
        const STALE = 0x40;
    }
}

impl Interest {
    /// The interest of a word of Tornado's bits and `EDGE`. Drops other bits; `ERROR` is implied.
    #[must_use]
    pub const fn from_word(word: u32) -> Self {
        Self::from_bits_truncate(word.to_le_bytes()[0])
    }

    /// Whether the source is edge-triggered.
    #[must_use]
    pub const fn is_edge(self) -> bool {
        self.contains(Self::EDGE)
    }
}

impl Readiness {
    /// The part that is reported to a source with `interest`: its operations, errors and hang-up.
    /// `READ_CLOSED` and `PRIORITY` accompany `READABLE`. Alone, `PRIORITY` is reported if it is of
    /// interest, `READ_CLOSED` never.
    #[must_use]
    pub const fn of_interest(self, interest: Interest) -> Self {
        let wanted = Self::from_bits_truncate(interest.bits());
        let reported = self.intersection(wanted.union(Self::ERROR).union(Self::HANG_UP));
        if !reported.contains(Self::READABLE) {
            return reported;
        }
        reported.union(self.intersection(Self::READ_CLOSED.union(Self::PRIORITY)))
    }
}

/// Whether the system reports exceptional conditions ([`Interest::PRIORITY`]).
pub const HAS_PRIORITY: bool = cfg!(any(target_os = "linux", target_os = "android"));
