//! poll(2), for systems without epoll and kqueue.
//!
//! The registrations are the entries of the reactor: each wait asks for all of them. It costs what
//! poll(2) costs, a look at each descriptor per turn.
//!
//! # Levels and edges
//!
//! poll(2) reports levels. A level-triggered source needs no ready list. An edge-triggered one is
//! masked by its report, and its owner declares it drained to have it reported again:
//!
//! | Bits | Reported | Again |
//! | --- | --- | --- |
//! | `IN`, `OUT` | once | after [`rearm`](Selector::rearm) |
//! | `RDHUP`, `PRI` | once | never: EOF is final, and an urgent mark stays until it is read |
//! | `HUP` | once; poll(2) cannot mask it, so the source is left out | never |
//! | `ERR` | once; the source is left out | after [`rearm`](Selector::rearm) |
//!
//! # Why not mio's
//!
//! mio's selector on poll(2) forgets a descriptor that hangs up, so that a later change of its
//! interest fails; spins on a number that was closed (`POLLNVAL`); and holds the descriptors where
//! no other thread can wait for them without the selector.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::FileType;
use rustix::io::Errno;
use slab::Slab;

use super::WaitSet;
use crate::net;
use crate::reactor::{Entry, Interest, Readiness, Token, WAKE};
use crate::remote::Wake;

/// The events of the last wait, and the waker. The descriptors are in the entries.
pub(crate) struct Selector {
    event_budget: usize,
    events: Vec<(mio::Token, Readiness)>,
    /// The first index that the budget has cut, otherwise 0: the next reports begin there.
    next: usize,
    /// The budget has cut the last reports.
    cut: bool,
    /// The reading end of the waker, if there is one.
    woken: Option<OwnedFd>,
    /// The wait set has changed since it was last taken.
    changed: bool,
}

/// The state of a registration.
#[derive(Clone, Copy)]
pub(in crate::reactor) struct Slot {
    /// The events to wait for.
    flags: PollFlags,
    reports: Reports,
}

/// Whether a source is waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reports {
    On,
    /// Until it is rearmed: an error was reported.
    Masked,
    /// Until its interest changes: it has hung up.
    Ended,
}

/// Interrupts a wait: the writing end of a pipe.
#[derive(Debug)]
pub struct Waker(OwnedFd);

impl Selector {
    #[expect(clippy::unnecessary_wraps, reason = "the other selectors may fail")]
    pub(in crate::reactor) fn new(event_budget: usize) -> io::Result<Self> {
        Ok(Self {
            event_budget,
            events: Vec::new(),
            next: 0,
            cut: false,
            woken: None,
            changed: false,
        })
    }

    /// Adds a source.
    ///
    /// # Errors
    ///
    /// `EPERM` for a regular file or a directory, which poll(2) would report as always ready; of
    /// `fstat(2)`.
    pub(in crate::reactor) fn add(
        &mut self,
        source: &impl AsFd,
        _token: Token,
        interest: Interest,
    ) -> io::Result<Slot> {
        let kind = FileType::from_raw_mode(rustix::fs::fstat(source)?.st_mode);
        if matches!(kind, FileType::RegularFile | FileType::Directory) {
            return Err(Errno::PERM.into());
        }
        self.changed = true;
        Ok(Slot::new(interest))
    }

    /// Changes the interest of a source.
    #[expect(clippy::unnecessary_wraps, reason = "the other selectors may fail")]
    pub(in crate::reactor) fn change<S: AsFd>(
        &mut self,
        entry: &mut Entry<S>,
        _token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        self.changed = true;
        entry.slot = Slot::new(interest);
        Ok(())
    }

    /// Nothing remains of a source that was removed from the entries.
    #[expect(clippy::unused_self, reason = "the other selectors ask the kernel")]
    pub(in crate::reactor) fn remove<S>(&mut self, _entry: &Entry<S>) -> bool {
        true
    }

    /// A registration was removed from the entries.
    pub(in crate::reactor) fn forget(&mut self) {
        self.changed = true;
    }

    /// There is nothing to renew, as each wait asks again.
    #[expect(clippy::unused_self, reason = "the other selectors ask the kernel")]
    pub(in crate::reactor) fn renew<S>(
        &self,
        _entry: &Entry<S>,
        _token: Token,
    ) -> Option<io::Result<()>> {
        None
    }

    /// Reports a drained source again.
    pub(in crate::reactor) fn rearm<S>(&mut self, entry: &mut Entry<S>, drained: Readiness) {
        if !entry.interest.is_edge() {
            return;
        }
        let slot = &mut entry.slot;
        let wanted = entry.interest.to_poll();
        let mut flags = slot.flags;
        if drained.contains(Readiness::READABLE) {
            flags |= wanted & PollFlags::IN;
        }
        if drained.contains(Readiness::WRITABLE) {
            flags |= wanted & PollFlags::OUT;
        }
        let was_masked = slot.reports == Reports::Masked;
        self.changed |= was_masked || flags != slot.flags;
        slot.flags = flags;
        if was_masked {
            slot.reports = Reports::On;
        }
    }

    /// Waits for at most `wait`. [`events`](Self::events) has the result, within the budget.
    pub(in crate::reactor) fn poll<S: AsFd>(
        &mut self,
        entries: &mut Slab<Entry<S>>,
        wait: Option<Duration>,
    ) -> io::Result<()> {
        self.events.clear();
        let (indices, mut fds): (Vec<usize>, Vec<PollFd<'_>>) = entries
            .iter()
            .filter(|(_, entry)| entry.slot.reports == Reports::On)
            .map(|(index, entry)| (index, PollFd::new(&entry.source, entry.slot.flags)))
            .unzip();
        if let Some(woken) = &self.woken {
            fds.push(PollFd::new(woken, PollFlags::IN));
        }
        let asked = ask(&mut fds, wait);
        let mut answers: Vec<PollFlags> = fds.iter().map(PollFd::revents).collect();
        match asked {
            // Not even one may be asked for: each is reported, as readiness may be spurious.
            Err(Errno::INVAL) => {
                answers = indices
                    .iter()
                    .map(|&index| entries[index].slot.flags)
                    .chain(self.woken.iter().map(|_| PollFlags::IN))
                    .collect();
            }
            result => result?,
        }
        if let Some(woken) = &self.woken
            && answers.pop().is_some_and(|answer| !answer.is_empty())
        {
            // Empty afterwards: it is non-blocking, and larger than any number of wakes.
            while rustix::io::read(woken, &mut [0; 64]).is_ok_and(|count| count == 64) {}
            self.events.push((WAKE, Readiness::READABLE));
        }
        self.report(entries, &indices, &answers);
        Ok(())
    }

    /// The events of the last wait.
    pub(in crate::reactor) fn events(&self) -> impl Iterator<Item = (mio::Token, Readiness)> {
        self.events.iter().copied()
    }

    /// Whether the budget has cut the last events.
    pub(in crate::reactor) fn is_cut(&self) -> bool {
        self.cut
    }

    /// Whether [`wait_set`](Self::wait_set) has changed since the last call of that.
    pub(in crate::reactor) fn has_changed(&self) -> bool {
        self.changed
    }

    /// The descriptors to wait for until the next change.
    pub(in crate::reactor) fn wait_set<S: AsFd>(&mut self, entries: &Slab<Entry<S>>) -> WaitSet {
        self.changed = false;
        let woken = self.woken.iter();
        let sources = entries
            .iter()
            .filter(|(_, entry)| entry.slot.reports == Reports::On)
            .map(|(_, entry)| (entry.source.as_fd().as_raw_fd(), entry.slot.flags));
        let waker = woken.map(|woken| (woken.as_raw_fd(), PollFlags::IN));
        WaitSet(waker.chain(sources).collect())
    }

    /// # Errors
    ///
    /// Of `pipe2(2)`: `EMFILE`, `ENFILE`.
    pub(crate) fn waker(&mut self) -> io::Result<Waker> {
        let (woken, waker) =
            net::pipe().map_err(|error| io::Error::from_raw_os_error(error.errno()))?;
        self.woken = Some(woken);
        self.changed = true;
        Ok(Waker(waker))
    }

    /// Takes the answers as events, from [`next`](Self::next) on, so that none starves.
    fn report<S>(
        &mut self,
        entries: &mut Slab<Entry<S>>,
        indices: &[usize],
        answers: &[PollFlags],
    ) {
        let start = indices.partition_point(|&index| index < self.next);
        let (before, after) = (0..start, start..indices.len());
        self.next = 0;
        self.cut = false;
        for at in after.chain(before) {
            if answers[at].is_empty() {
                continue;
            }
            if self.events.len() >= self.event_budget {
                self.next = indices[at];
                self.cut = true;
                return;
            }
            let entry = &mut entries[indices[at]];
            let token = entry.token(indices[at]).to_mio();
            self.events
                .push((token, readiness(entry.interest, answers[at])));
            self.changed |= entry.slot.reported(entry.interest, answers[at]);
        }
    }
}

impl Slot {
    fn new(interest: Interest) -> Self {
        Self {
            flags: interest.to_poll(),
            reports: Reports::On,
        }
    }

    /// Masks the report of an edge-triggered source. Whether that has changed anything.
    fn reported(&mut self, interest: Interest, answer: PollFlags) -> bool {
        if !interest.is_edge() {
            return false;
        }
        self.flags -= answer;
        if answer.contains(PollFlags::HUP) {
            self.reports = Reports::Ended;
        } else if answer.contains(PollFlags::ERR) {
            self.reports = Reports::Masked;
        }
        true
    }
}

impl Wake for Waker {
    fn wake(&self) -> io::Result<()> {
        match rustix::io::write(&self.0, &[0]) {
            // Full: a wake-up is outstanding.
            Ok(_) | Err(Errno::AGAIN) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// One `poll(2)`. It refuses more descriptors than `RLIMIT_NOFILE`, which may have been lowered
/// since: they are then asked for in parts, without waiting.
fn ask(fds: &mut [PollFd<'_>], wait: Option<Duration>) -> rustix::io::Result<()> {
    let timeout = wait.map(|wait| wait.min(LONGEST_WAIT)).map(timespec);
    match rustix::event::poll(fds, timeout.as_ref()) {
        Err(Errno::INVAL) if fds.len() > 1 => {
            let (one, other) = fds.split_at_mut(fds.len() / 2);
            ask(one, Some(Duration::ZERO))?;
            ask(other, Some(Duration::ZERO))
        }
        result => result.map(drop),
    }
}

fn timespec(wait: Duration) -> Timespec {
    Timespec {
        tv_sec: wait.as_secs().cast_signed(),
        tv_nsec: wait.subsec_nanos().into(),
    }
}

/// The readiness that an answer of poll(2) means.
fn readiness(interest: Interest, answer: PollFlags) -> Readiness {
    let mut readiness = Readiness::from_poll(answer);
    // The edges of epoll come with all readiness that there is. `IN` may be masked here.
    if interest.is_edge() && answer.intersects(PollFlags::PRI | HANGS_UP) {
        readiness |= Readiness::READABLE;
    }
    readiness
}

/// A year: longer waits may not fit the type of the system.
const LONGEST_WAIT: Duration = Duration::from_secs(365 * 24 * 60 * 60);

#[cfg(any(target_os = "linux", target_os = "android"))]
const HANGS_UP: PollFlags = PollFlags::HUP.union(PollFlags::RDHUP);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const HANGS_UP: PollFlags = PollFlags::HUP;

/// Never: the errors of this selector are of the source itself.
pub(in crate::reactor) fn is_gone(_error: &io::Error) -> bool {
    false
}

/// Whether changing a registration fails if its open file is not in the selector.
pub(in crate::reactor) const VERIFIES: bool = false;

/// Whether a report may be of another file than the registered one: poll(2) has numbers only.
pub(in crate::reactor) const VERIFIES_REPORTS: bool = true;

/// Whether events of removed registrations can stay, until the selector is replaced.
pub(crate) const REBUILDS: bool = false;

/// Whether the selector reports changes. If not, an edge-triggered source is reported again after
/// its owner has called [`drained`](crate::reactor::Reactor::drained), and then also if nothing has
/// changed.
pub const HAS_EDGES: bool = false;

/// Whether the selector is a descriptor, which a host's loop can watch.
pub const HAS_DESCRIPTOR: bool = false;
