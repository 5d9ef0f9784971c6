//! Interest and readiness as the flags of `poll(2)`.

use rustix::event::PollFlags;

use super::{Interest, Readiness};

impl Interest {
    /// The interest for `poll(2)`, which reports errors and hang-up in any case.
    pub(super) fn to_poll(self) -> PollFlags {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, self.contains(Self::READABLE));
        flags.set(PollFlags::OUT, self.contains(Self::WRITABLE));
        #[cfg(any(target_os = "linux", target_os = "android"))]
        {
            flags.set(
                PollFlags::PRI,
                self.intersects(Self::READABLE | Self::PRIORITY),
            );
            flags.set(PollFlags::RDHUP, self.contains(Self::READABLE));
        }
        flags
    }
}

impl Readiness {
    pub(super) fn from_poll(revents: PollFlags) -> Self {
        let mut readiness = Self::empty();
        readiness.set(Self::READABLE, revents.contains(PollFlags::IN));
        readiness.set(Self::PRIORITY, revents.contains(PollFlags::PRI));
        readiness.set(Self::WRITABLE, revents.contains(PollFlags::OUT));
        readiness.set(Self::ERROR, revents.contains(PollFlags::ERR));
        readiness.set(Self::HANG_UP, revents.contains(PollFlags::HUP));
        #[cfg(any(target_os = "linux", target_os = "android"))]
        readiness.set(Self::READ_CLOSED, revents.contains(PollFlags::RDHUP));
        readiness
    }
}
