//! The thread driver on kqueue and poll(2): a thread waits on the loop's selector and calls a
//! threadsafe function. That on epoll is `thread_epoll.rs`.
//!
//! For hosts without a usable libuv (Bun, Deno). [`wait`] runs on the driver's thread, all else on
//! the JavaScript thread. The thread waits only while it is armed, and parks itself with each call:
//! a readable selector causes one wake-up per turn.
//!
//! # Without a descriptor
//!
//! On `poll(2)` the selector is a set of descriptors, and the thread waits for a copy. When the set
//! changes outside of a turn, the thread ends its wait and wakes the loop; the sleep after that turn
//! gives it the new set. The wait keeps the file of a number open that is closed meanwhile, until
//! the thread has ended it: a moment for sources that are deregistered first, until the next event
//! for others.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ioloop::reactor::WaitSet;
use napi::bindgen_prelude::Function;
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;

use super::waking::{self, Wake, Waking};
use crate::errno::Failure;
use crate::fd::JsFd;

/// The thread, and the state that it shares with the loop. Dropping it ends and joins the thread.
pub(crate) struct Watch {
    shared: Arc<Shared>,
    /// Interrupts the thread's poll.
    interrupt: PipeWriter,
    thread: Waking,
}

struct Shared {
    post: Mutex<Post>,
    changed: Condvar,
}

/// The thread's orders.
struct Post {
    state: State,
    /// The selector to wait on. The thread does not own it: an interrupt comes before it is closed.
    selector: Arc<WaitSet>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Wait on the selector.
    Armed,
    /// The selector has changed outside of a turn: wake the loop.
    Outdated,
    /// A wake-up was sent: wait until the turn is over.
    Parked,
    /// End.
    Ended,
}

/// The thread's next step.
enum Order {
    Wait(Arc<WaitSet>),
    Wake,
}

impl Watch {
    pub(crate) fn start(
        wake: &Function<'_, (), ()>,
        selector: impl FnOnce() -> Option<WaitSet>,
    ) -> Result<Self, Failure> {
        let wake: Wake = wake.build_threadsafe_function().build()?;
        let selector = Arc::new(selector().ok_or(io::Error::from(Errno::BADF))?);
        let (interrupted, interrupt) = io::pipe()?;
        let state = State::Armed;
        let shared = Arc::new(Shared {
            post: Mutex::new(Post { state, selector }),
            changed: Condvar::new(),
        });
        let theirs = Arc::clone(&shared);
        let thread = Waking::start(move || wait(&theirs, &interrupted, &wake))?;
        Ok(Self {
            shared,
            interrupt,
            thread,
        })
    }

    /// Waits on another selector from now on.
    #[expect(
        clippy::unnecessary_wraps,
        clippy::needless_pass_by_ref_mut,
        reason = "the signature is that of `thread_epoll.rs`"
    )]
    pub(crate) fn move_to(&mut self, selector: WaitSet) -> io::Result<()> {
        let mut post = self.shared.lock();
        post.selector = Arc::new(selector);
        if post.state == State::Armed {
            self.interrupt();
        }
        Ok(())
    }

    /// The selector has changed outside of a turn.
    pub(crate) fn outdate(&self) {
        let mut post = self.shared.lock();
        if post.state == State::Armed {
            post.state = State::Outdated;
            self.interrupt();
        }
    }

    /// The turn is over: waits on the selector again.
    pub(crate) fn rearm(&self) {
        let mut post = self.shared.lock();
        match post.state {
            State::Armed | State::Ended => {}
            // It is not outdated any more.
            State::Outdated => post.state = State::Armed,
            State::Parked => {
                post.state = State::Armed;
                self.shared.changed.notify_one();
            }
        }
    }

    /// Ends the thread's wait. At most one per turn: the pipe does not fill.
    fn interrupt(&self) {
        // It fails only if the thread has ended, and with it its end of the pipe.
        let _gone = (&self.interrupt).write_all(&[0]);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.lock().state = State::Ended;
        self.shared.changed.notify_one();
        self.interrupt();
        self.thread.join();
    }
}

impl Shared {
    /// Ignores poisoning: a panic leaves each field whole.
    fn lock(&self) -> MutexGuard<'_, Post> {
        self.post.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Blocks while parked. The orders of the thread; `None` if it has to end.
    fn order(&self) -> Option<Order> {
        let post = self
            .changed
            .wait_while(self.lock(), |post| post.state == State::Parked)
            .unwrap_or_else(PoisonError::into_inner);
        match post.state {
            State::Armed => Some(Order::Wait(Arc::clone(&post.selector))),
            State::Outdated => Some(Order::Wake),
            State::Parked | State::Ended => None,
        }
    }

    /// Called before the wake-up is sent, so that the rearm of its turn cannot come first.
    fn park(&self) {
        let mut post = self.lock();
        if matches!(post.state, State::Armed | State::Outdated) {
            post.state = State::Parked;
        }
    }

    /// Blocks for `pause`, or until the thread has to end.
    fn rest(&self, pause: Duration) {
        let rested = self
            .changed
            .wait_timeout_while(self.lock(), pause, |post| post.state != State::Ended);
        drop(rested);
    }
}

/// The thread's function: wait, park, wake. If it cannot wait (`RLIMIT_NOFILE` below 2, no memory),
/// it wakes the loop after a pause, to collect without knowing.
fn wait(shared: &Shared, interrupted: &PipeReader, wake: &Wake) {
    let mut pause = FIRST_PAUSE;
    while let Some(order) = shared.order() {
        if let Order::Wait(selector) = order {
            match ready(&selector, interrupted) {
                Ok(true) => pause = FIRST_PAUSE,
                // The state may have changed.
                Ok(false) | Err(Errno::INTR) => continue,
                Err(_) => {
                    shared.rest(pause);
                    pause = (2 * pause).min(LONGEST_PAUSE);
                }
            }
        }
        shared.park();
        waking::call(wake);
    }
}

/// Waits for the selector. False if the wait was interrupted.
fn ready(selector: &WaitSet, interrupted: &PipeReader) -> Result<bool, Errno> {
    // Of numbers that may have been closed: `POLLNVAL` ends the wait, and the turn finds out.
    let numbers: Vec<(JsFd, PollFlags)> = selector
        .iter()
        .map(|(fd, flags)| Ok((JsFd::new(fd)?, flags)))
        .collect::<Result<_, Errno>>()?;
    let interrupt = PollFd::new(interrupted, PollFlags::IN);
    let mut fds: Vec<PollFd<'_>> = std::iter::once(interrupt)
        .chain(numbers.iter().map(|(fd, flags)| PollFd::new(fd, *flags)))
        .collect();
    rustix::event::poll(&mut fds, None)?;
    if fds[0].revents().is_empty() {
        return Ok(true);
    }
    let _byte = (&mut &*interrupted).read(&mut [0]);
    Ok(false)
}

const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
