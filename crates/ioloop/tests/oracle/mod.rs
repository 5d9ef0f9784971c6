//! Native level-triggered epoll, which models compare the reactor with. Its files have numbers.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};

use ioloop::reactor::{Interest, Readiness};
use rustix::event::{Timespec, epoll};

pub(crate) struct Oracle(OwnedFd);

impl Oracle {
    pub(crate) fn new() -> Self {
        Self(epoll::create(epoll::CreateFlags::CLOEXEC).unwrap())
    }

    pub(crate) fn add(&self, at: usize, file: impl AsFd, interest: Interest) {
        let data = epoll::EventData::new_u64(at as u64);
        epoll::add(&self.0, file, data, flags(interest)).unwrap();
    }

    pub(crate) fn modify(&self, at: usize, file: impl AsFd, interest: Interest) {
        let data = epoll::EventData::new_u64(at as u64);
        epoll::modify(&self.0, file, data, flags(interest)).unwrap();
    }

    pub(crate) fn delete(&self, file: impl AsFd) {
        epoll::delete(&self.0, file).unwrap();
    }

    /// The bits of [`Readiness`] of each file that is ready now.
    pub(crate) fn ready(&self) -> BTreeMap<usize, u8> {
        let mut events = Vec::with_capacity(MOST_FILES);
        let room = rustix::buffer::spare_capacity(&mut events);
        epoll::wait(&self.0, room, Some(&NO_WAIT)).unwrap();
        events.iter().map(of_event).collect()
    }
}

fn of_event(event: &epoll::Event) -> (usize, u8) {
    // The packed struct's fields are copied out.
    let (flags, data) = (event.flags, event.data);
    let bits = [
        (epoll::EventFlags::IN, Readiness::READABLE),
        (epoll::EventFlags::OUT, Readiness::WRITABLE),
        (epoll::EventFlags::ERR, Readiness::ERROR),
        (epoll::EventFlags::HUP, Readiness::HANG_UP),
    ];
    let bits = bits.iter().filter(|(flag, _)| flags.contains(*flag));
    let bits = bits.fold(0, |sum, (_, bit)| sum | bit.bits());
    (usize::try_from(data.u64()).unwrap(), bits)
}

fn flags(interest: Interest) -> epoll::EventFlags {
    let mut flags = epoll::EventFlags::empty();
    flags.set(epoll::EventFlags::IN, interest.contains(Interest::READABLE));
    flags.set(
        epoll::EventFlags::OUT,
        interest.contains(Interest::WRITABLE),
    );
    flags
}

/// More than a model has.
const MOST_FILES: usize = 16;

const NO_WAIT: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};
