//! The thread driver on epoll: a thread waits for the loop's selector and calls a threadsafe function.
//!
//! For hosts without a usable libuv (Bun, Deno). [`run`] is the thread's function, all else runs on
//! the JavaScript thread. The thread waits in an epoll instance of its own, which reports the selector
//! once (`EPOLLONESHOT`): the rearm of a turn is one system call, and the thread goes on sleeping.
//! Other selectors have `thread.rs`.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ioloop::reactor::WaitSet;
use napi::bindgen_prelude::Function;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;

use super::descriptor;
use super::waking::{self, Wake, Waking};
use crate::errno::Failure;
use crate::fd::JsFd;

/// The thread, and what it waits for. Dropping it ends and joins the thread.
pub(crate) struct Watch {
    shared: Arc<Shared>,
    /// The loop's selector, which the loop owns.
    selector: JsFd,
    thread: Waking,
}

struct Shared {
    /// Reports the selector, once until it is rearmed, and `end`.
    epoll: OwnedFd,
    /// An eventfd, readable when the thread has to end.
    end: OwnedFd,
    /// The selector was reported since the last rearm. Set before the wake-up is sent: the rearm of
    /// its turn comes after that.
    parked: AtomicBool,
}

/// What an event is about.
const SELECTOR: u64 = 0;
const END: u64 = 1;

impl Watch {
    pub(crate) fn start(
        wake: &Function<'_, (), ()>,
        selector: impl FnOnce() -> Option<WaitSet>,
    ) -> Result<Self, Failure> {
        let wake: Wake = wake.build_threadsafe_function().build()?;
        let selector = number(&selector().ok_or(io::Error::from(Errno::BADF))?)?;
        let shared = Arc::new(Shared::new(selector).map_err(io::Error::from)?);
        let theirs = Arc::clone(&shared);
        let thread = Waking::start(move || run(&theirs, &wake))?;
        Ok(Self {
            shared,
            selector,
            thread,
        })
    }

    /// Waits for another selector from now on. On an error, it waits for the old one.
    pub(crate) fn move_to(&mut self, selector: WaitSet) -> io::Result<()> {
        let selector = number(&selector)?;
        self.shared.add(selector)?;
        // A closed one is out of the set already.
        let _closed = epoll::delete(&self.shared.epoll, self.selector);
        self.selector = selector;
        self.shared.parked.store(false, Ordering::Release);
        Ok(())
    }

    /// The turn is over: the selector is reported again.
    pub(crate) fn rearm(&self) {
        if !self.shared.parked.swap(false, Ordering::AcqRel) {
            return;
        }
        // It fails only if the selector is closed, and then the loop is.
        let (data, flags) = once();
        let _closed = epoll::modify(&self.shared.epoll, self.selector, data, flags);
    }

    /// The kernel has the changes of the selector already.
    #[expect(clippy::unused_self, reason = "the signature is that of `thread.rs`")]
    pub(crate) fn outdate(&self) {}
}

impl Drop for Watch {
    fn drop(&mut self) {
        // It fails only if the counter is full.
        let _full = rustix::io::write(&self.shared.end, &1_u64.to_ne_bytes());
        self.thread.join();
    }
}

impl Shared {
    /// With the selector, armed.
    fn new(selector: JsFd) -> Result<Self, Errno> {
        let shared = Self {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            end: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            parked: AtomicBool::new(false),
        };
        let data = EventData::new_u64(END);
        epoll::add(&shared.epoll, &shared.end, data, EventFlags::IN)?;
        shared.add(selector)?;
        Ok(shared)
    }

    fn add(&self, selector: JsFd) -> Result<(), Errno> {
        let (data, flags) = once();
        epoll::add(&self.epoll, selector, data, flags)
    }
}

/// The registration of the selector while it is armed.
fn once() -> (EventData, EventFlags) {
    let flags = EventFlags::IN | EventFlags::ONESHOT;
    (EventData::new_u64(SELECTOR), flags)
}

fn number(selector: &WaitSet) -> io::Result<JsFd> {
    Ok(JsFd::new(descriptor(selector)?)?)
}

/// The thread's function: wait, park, wake.
fn run(shared: &Shared, wake: &Wake) {
    let mut events: Vec<Event> = Vec::with_capacity(2);
    loop {
        events.clear();
        match epoll::wait(&shared.epoll, spare_capacity(&mut events), None) {
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            // The wait has no other errors: its descriptor is open and its memory is there.
            Err(_) => return,
        }
        if events.iter().any(|event| event.data.u64() == END) {
            return;
        }
        shared.parked.store(true, Ordering::Release);
        waking::call(wake);
    }
}
