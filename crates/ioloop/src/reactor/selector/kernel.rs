//! epoll and kqueue, by mio: the kernel holds the registrations and reports changes.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::Duration;

use mio::unix::SourceFd;
use rustix::event::PollFlags;
use rustix::io::Errno;
use slab::Slab;

use super::WaitSet;
use crate::reactor::{Entry, Interest, Readiness, Token, WAKE};
use crate::remote::Wake;

/// An epoll or kqueue instance, and the events of its last wait.
pub(crate) struct Selector {
    poll: mio::Poll,
    events: mio::Events,
}

/// Whether a registration is in the selector. False only for an empty interest on systems that have
/// none.
#[derive(Clone, Copy)]
pub(in crate::reactor) struct Slot(bool);

/// Interrupts a wait of the selector.
#[derive(Debug)]
pub struct Waker(mio::Waker);

#[expect(clippy::unused_self, reason = "the selector on poll(2) needs it")]
impl Selector {
    /// # Errors
    ///
    /// Of `epoll_create1(2)` or `kqueue(2)`, usually `EMFILE`.
    pub(in crate::reactor) fn new(event_budget: usize) -> io::Result<Self> {
        Ok(Self {
            poll: mio::Poll::new()?,
            events: mio::Events::with_capacity(event_budget),
        })
    }

    /// Adds a source.
    pub(in crate::reactor) fn add(
        &mut self,
        source: &impl AsFd,
        token: Token,
        interest: Interest,
    ) -> io::Result<Slot> {
        let Some(wanted) = to_mio(interest) else {
            return Ok(Slot(false));
        };
        let fd = source.as_fd().as_raw_fd();
        let registry = self.poll.registry();
        match registry.register(&mut SourceFd(&fd), token.to_mio(), wanted) {
            // A stale registration was left, and the number is its open file again (`dup2(2)`).
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                registry.reregister(&mut SourceFd(&fd), token.to_mio(), wanted)?;
            }
            result => result?,
        }
        Ok(Slot(true))
    }

    /// Changes the interest of a source. On an error, it keeps the old one.
    pub(in crate::reactor) fn change<S: AsFd>(
        &mut self,
        entry: &mut Entry<S>,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        let fd = entry.source.as_fd().as_raw_fd();
        let registry = self.poll.registry();
        entry.slot = match (entry.slot.0, to_mio(interest)) {
            (true, Some(wanted)) => {
                registry.reregister(&mut SourceFd(&fd), token.to_mio(), wanted)?;
                Slot(true)
            }
            (true, None) => {
                registry.deregister(&mut SourceFd(&fd))?;
                Slot(false)
            }
            (false, _) => self.add(&entry.source, token, interest)?,
        };
        Ok(())
    }

    /// Removes a source. False if it may remain: its number was closed.
    pub(in crate::reactor) fn remove<S: AsFd>(&mut self, entry: &Entry<S>) -> bool {
        let fd = entry.source.as_fd().as_raw_fd();
        // Fails only with ENOENT or EBADF: the registration is gone, or it remains under a number
        // that was closed.
        !entry.slot.0 || self.poll.registry().deregister(&mut SourceFd(&fd)).is_ok()
    }

    /// A registration was removed from the entries.
    #[inline]
    pub(in crate::reactor) fn forget(&mut self) {}

    /// Sets the interest that a source has, for the error: [`is_gone`] if its number was closed. The
    /// selector then reports a source that is ready once more. `None` without an interest.
    pub(in crate::reactor) fn renew<S: AsFd>(
        &self,
        entry: &Entry<S>,
        token: Token,
    ) -> Option<io::Result<()>> {
        let wanted = to_mio(entry.interest)?;
        let fd = entry.source.as_fd().as_raw_fd();
        let registry = self.poll.registry();
        Some(registry.reregister(&mut SourceFd(&fd), token.to_mio(), wanted))
    }

    /// The kernel reports each change, without being asked again.
    #[inline]
    pub(in crate::reactor) fn rearm<S>(&mut self, _entry: &mut Entry<S>, _drained: Readiness) {}

    /// Waits for at most `wait`. [`events`](Self::events) has the result.
    #[inline]
    pub(in crate::reactor) fn poll<S>(
        &mut self,
        _entries: &mut Slab<Entry<S>>,
        wait: Option<Duration>,
    ) -> io::Result<()> {
        self.poll.poll(&mut self.events, wait)
    }

    /// The events of the last wait.
    #[inline]
    pub(in crate::reactor) fn events(&self) -> impl Iterator<Item = (mio::Token, Readiness)> {
        self.events
            .iter()
            .map(|event| (event.token(), readiness(event)))
    }

    /// Whether the budget has cut the last events: they stay in the kernel, and wake the loop.
    #[inline]
    pub(in crate::reactor) fn is_cut(&self) -> bool {
        false
    }

    /// Whether [`wait_set`](Self::wait_set) has changed since the last call: never.
    #[inline]
    pub(in crate::reactor) fn has_changed(&self) -> bool {
        false
    }

    pub(in crate::reactor) fn wait_set<S>(&mut self, _entries: &Slab<Entry<S>>) -> WaitSet {
        WaitSet(vec![(self.poll.as_raw_fd(), PollFlags::IN)])
    }

    /// # Errors
    ///
    /// Of `eventfd(2)` or `kevent(2)`.
    pub(crate) fn waker(&mut self) -> io::Result<Waker> {
        mio::Waker::new(self.poll.registry(), WAKE).map(Waker)
    }

    /// Adds the timer of the alarm.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn add_alarm(&self, timer: &impl AsFd) -> io::Result<()> {
        let fd = timer.as_fd().as_raw_fd();
        let registry = self.poll.registry();
        registry.register(
            &mut SourceFd(&fd),
            crate::reactor::ALARM,
            mio::Interest::READABLE,
        )
    }
}

impl AsRawFd for Selector {
    fn as_raw_fd(&self) -> RawFd {
        self.poll.as_raw_fd()
    }
}

impl Wake for Waker {
    fn wake(&self) -> io::Result<()> {
        self.0.wake()
    }
}

/// Whether an operation on a registration has failed because its descriptor was closed. `ENOENT`:
/// the number is a file that is not in the selector. `EPERM`: one that cannot be. `EBADF`: not open.
pub(in crate::reactor) fn is_gone(error: &io::Error) -> bool {
    let errno = error.raw_os_error();
    [Errno::NOENT, Errno::PERM, Errno::BADF]
        .iter()
        .any(|gone| errno == Some(gone.raw_os_error()))
}

/// Whether changing a registration fails if its open file is not in the selector. kqueue adds it
/// instead.
pub(in crate::reactor) const VERIFIES: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// Whether a report may be of another file than the registered one, in a registration that was not
/// [verified](crate::reactor::Reactor::verify). kqueue removes a number when it is closed, epoll a
/// file.
pub(in crate::reactor) const VERIFIES_REPORTS: bool = false;

/// Whether events of removed registrations can stay, until the selector is replaced.
pub(crate) const REBUILDS: bool = true;

/// Whether the selector reports changes. If not, an edge-triggered source is reported again after
/// its owner has called [`drained`](crate::reactor::Reactor::drained), and then also if nothing has
/// changed.
pub const HAS_EDGES: bool = true;

/// Whether the selector is a descriptor, which a host's loop can watch.
pub const HAS_DESCRIPTOR: bool = true;

/// The interest for mio, which has no empty one. On Linux `EPOLLPRI` stands for it:
/// [`Readiness::of_interest`] drops it again. kqueue has no substitute, so `None`: the source stays
/// out of the selector.
///
/// `EPOLLPRI` accompanies `READABLE`, since a read may stop short at an urgent mark.
fn to_mio(interest: Interest) -> Option<mio::Interest> {
    let readable = interest
        .contains(Interest::READABLE)
        .then_some(mio::Interest::READABLE);
    let writable = interest
        .contains(Interest::WRITABLE)
        .then_some(mio::Interest::WRITABLE);
    let priority = PRIORITY.filter(|_| watches_priority(interest));
    both(both(readable, writable), priority)
}

const fn watches_priority(interest: Interest) -> bool {
    interest.contains(Interest::PRIORITY)
        || interest.contains(Interest::READABLE)
        || !interest.contains(Interest::WRITABLE)
}

fn both(one: Option<mio::Interest>, other: Option<mio::Interest>) -> Option<mio::Interest> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one | other),
        (one, other) => one.or(other),
    }
}

#[inline]
fn readiness(event: &mio::event::Event) -> Readiness {
    let mut readiness = Readiness::empty();
    readiness.set(Readiness::READABLE, event.is_readable());
    readiness.set(Readiness::PRIORITY, event.is_priority());
    readiness.set(Readiness::WRITABLE, event.is_writable());
    readiness.set(Readiness::ERROR, event.is_error());
    readiness.set(
        Readiness::HANG_UP,
        event.is_read_closed() && event.is_write_closed(),
    );
    readiness.set(Readiness::READ_CLOSED, event.is_read_closed());
    readiness
}

#[cfg(any(target_os = "linux", target_os = "android"))]
const PRIORITY: Option<mio::Interest> = Some(mio::Interest::PRIORITY);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const PRIORITY: Option<mio::Interest> = None;
