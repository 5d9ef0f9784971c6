//! The selector: the system call that reports readiness. Everything that differs between them is in
//! the two files below, of which `build.rs` chooses one.
//!
//! | | `kernel.rs`: epoll, kqueue | `poll.rs`: poll(2) |
//! | --- | --- | --- |
//! | the registered descriptors | in the kernel, by mio | in the entries of the reactor |
//! | reports | changes; the ready list makes levels of them | levels; a mask makes changes of them |
//! | others wait for it | by its descriptor | by a copy of the descriptors: [`WaitSet`] |
//! | wakes at a deadline | on Linux, by a timerfd | no |
//! | keeps stale registrations | epoll does: rebuilds | no |

#[cfg(not(selector = "poll"))]
mod kernel;
#[cfg(selector = "poll")]
mod poll;

use std::os::fd::RawFd;

#[cfg(not(selector = "poll"))]
use kernel as imp;
#[cfg(selector = "poll")]
use poll as imp;
use rustix::event::PollFlags;

pub use imp::{HAS_DESCRIPTOR, HAS_EDGES, Waker};
pub(crate) use imp::{REBUILDS, Selector};
pub(super) use imp::{Slot, VERIFIES, VERIFIES_REPORTS, is_gone};

/// The name of the selector's system call: `epoll`, `kqueue` or `poll`.
#[must_use]
pub const fn backend() -> &'static str {
    if cfg!(selector = "epoll") {
        "epoll"
    } else if cfg!(selector = "kqueue") {
        "kqueue"
    } else {
        "poll"
    }
}

/// The descriptors that a host's loop or another thread waits for on behalf of the loop. A `poll(2)`
/// of them returns when a turn has something to collect.
///
/// The numbers are not owned. If one was closed, the wait ends at once, and the turn finds out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitSet(Vec<(RawFd, PollFlags)>);

impl WaitSet {
    /// The descriptors with their events.
    pub fn iter(&self) -> impl Iterator<Item = (RawFd, PollFlags)> {
        self.0.iter().copied()
    }

    /// The selector itself, if it is a descriptor ([`HAS_DESCRIPTOR`]).
    #[must_use]
    pub fn descriptor(&self) -> Option<RawFd> {
        self.0.first().filter(|_| HAS_DESCRIPTOR).map(|(fd, _)| *fd)
    }
}
