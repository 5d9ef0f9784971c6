//! What an owner asks for, and what is possible now.
//!
//! The bits are Tornado's, so that no layer translates them: `READ` 0x001, `PRI` 0x002, `WRITE`
//! 0x004, `ERROR` 0x018 (`EPOLLERR | EPOLLHUP`). `EDGE` 0x80 is ours.

use std::ops::{BitOr, BitOrAssign};

use rustix::event::PollFlags;

/// The readiness that an owner asks for. Errors and hang-up are always reported, also for [`NONE`].
///
/// [`NONE`]: Interest::NONE
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest(u8);

impl Interest {
    /// Only errors and hang-up.
    pub const NONE: Self = Self(0);
    /// Data, a connection to accept, or the end of the stream.
    pub const READABLE: Self = Self(0x01);
    /// An exceptional condition (`EPOLLPRI`): TCP urgent data, a change in sysfs or procfs. Ignored
    /// where [`HAS_PRIORITY`] is false.
    pub const PRIORITY: Self = Self(0x02);
    /// Room to write, or a finished connection attempt.
    pub const WRITABLE: Self = Self(0x04);
    /// Report each change once; the owner keeps the readiness. Without this bit the source is
    /// level-triggered.
    pub const EDGE: Self = Self(0x80);

    /// Keeps the bits that mean something; `ERROR` is implied and may be passed.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self((bits & 0x87) as u8)
    }

    /// Whether the source is edge-triggered.
    #[must_use]
    pub const fn is_edge(self) -> bool {
        self.0 & Self::EDGE.0 != 0
    }

    /// Whether data is of interest.
    #[must_use]
    pub const fn is_readable(self) -> bool {
        self.0 & Self::READABLE.0 != 0
    }

    /// Whether exceptional conditions are of interest.
    #[must_use]
    pub const fn is_priority(self) -> bool {
        self.0 & Self::PRIORITY.0 != 0
    }

    /// Whether room to write is of interest.
    #[must_use]
    pub const fn is_writable(self) -> bool {
        self.0 & Self::WRITABLE.0 != 0
    }

    /// For mio, which has no empty interest. On Linux `EPOLLPRI` stands in (its readiness is dropped
    /// again, and hang-up and errors are reported in any case); kqueue has nothing like it, there
    /// the source waits unregistered.
    ///
    /// `EPOLLPRI` comes along with `READABLE`: it says that a read may stop short at an urgent mark.
    pub(super) fn to_mio(self) -> Option<mio::Interest> {
        let readable = self.is_readable().then_some(mio::Interest::READABLE);
        let writable = self.is_writable().then_some(mio::Interest::WRITABLE);
        let priority = PRIORITY.filter(|_| self.watches_priority());
        both(both(readable, writable), priority)
    }

    /// Whether the kernel is asked for exceptional conditions.
    const fn watches_priority(self) -> bool {
        self.is_priority() || self.is_readable() || !self.is_writable()
    }

    /// For `poll(2)`, which reports errors and hang-up in any case.
    pub(super) fn to_poll(self) -> PollFlags {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, self.is_readable());
        flags.set(PollFlags::OUT, self.is_writable());
        #[cfg(any(target_os = "linux", target_os = "android"))]
        {
            flags.set(PollFlags::PRI, self.is_readable() || self.is_priority());
            flags.set(PollFlags::RDHUP, self.is_readable());
        }
        flags
    }
}

impl BitOr for Interest {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What is possible now. A spurious bit is allowed: the operation then would block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness(u8);

impl Readiness {
    /// Nothing.
    pub const EMPTY: Self = Self(0);
    /// A read will not block: data, a connection, or the end of the stream.
    pub const READABLE: Self = Self(0x01);
    /// An exceptional condition (`EPOLLPRI`). With `READABLE` it is reported to all: there may be an
    /// urgent mark, at which a read stops, so a short read proves nothing.
    pub const PRIORITY: Self = Self(0x02);
    /// A write will not block.
    pub const WRITABLE: Self = Self(0x04);
    /// An error is pending (`EPOLLERR`).
    pub const ERROR: Self = Self(0x08);
    /// Both directions are closed (`EPOLLHUP`).
    pub const HANG_UP: Self = Self(0x10);
    /// The peer has closed its writing side (`EPOLLRDHUP`): behind the data waits an end of file,
    /// so a short read proves nothing. Not shown to handlers.
    pub const READ_CLOSED: Self = Self(0x20);
    /// The descriptor number was closed and may be another file's. The registration is gone; this
    /// is its last report, and comes alone.
    pub const STALE: Self = Self(0x40);

    /// The bits, as laid out above.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// From bits as [`bits`](Self::bits) gave them; others are dropped.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & 0x3f)
    }

    /// Whether nothing is possible.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether all of `other` is in it.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Without `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The part that is reported to a source with `interest`: its interest, errors and hang-up.
    /// `READ_CLOSED` and `PRIORITY` go along with `READABLE`; alone they are not reported, unless
    /// `PRIORITY` was asked for.
    #[must_use]
    pub const fn of_interest(self, interest: Interest) -> Self {
        let told = self.0 & (interest.0 | Self::ERROR.0 | Self::HANG_UP.0);
        if told & Self::READABLE.0 == 0 {
            return Self(told);
        }
        Self(told | self.0 & (Self::READ_CLOSED.0 | Self::PRIORITY.0))
    }

    pub(super) fn from_mio(event: &mio::event::Event) -> Self {
        let mut readiness = Self::EMPTY;
        readiness.set(Self::READABLE, event.is_readable());
        readiness.set(Self::PRIORITY, event.is_priority());
        readiness.set(Self::WRITABLE, event.is_writable());
        readiness.set(Self::ERROR, event.is_error());
        readiness.set(
            Self::HANG_UP,
            event.is_read_closed() && event.is_write_closed(),
        );
        readiness.set(Self::READ_CLOSED, event.is_read_closed());
        readiness
    }

    pub(super) fn from_poll(revents: PollFlags) -> Self {
        let mut readiness = Self::EMPTY;
        readiness.set(Self::READABLE, revents.contains(PollFlags::IN));
        readiness.set(Self::PRIORITY, revents.contains(PollFlags::PRI));
        readiness.set(Self::WRITABLE, revents.contains(PollFlags::OUT));
        readiness.set(Self::ERROR, revents.contains(PollFlags::ERR));
        readiness.set(Self::HANG_UP, revents.contains(PollFlags::HUP));
        #[cfg(any(target_os = "linux", target_os = "android"))]
        readiness.set(Self::READ_CLOSED, revents.contains(PollFlags::RDHUP));
        readiness
    }

    fn set(&mut self, bit: Self, on: bool) {
        if on {
            self.0 |= bit.0;
        }
    }
}

impl BitOr for Readiness {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Readiness {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

fn both(one: Option<mio::Interest>, other: Option<mio::Interest>) -> Option<mio::Interest> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one | other),
        (one, other) => one.or(other),
    }
}

/// Whether [`Interest::PRIORITY`] can be watched.
pub const HAS_PRIORITY: bool = cfg!(any(target_os = "linux", target_os = "android"));

#[cfg(any(target_os = "linux", target_os = "android"))]
const PRIORITY: Option<mio::Interest> = Some(mio::Interest::PRIORITY);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const PRIORITY: Option<mio::Interest> = None;
