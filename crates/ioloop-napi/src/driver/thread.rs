//! The thread driver: a thread waits on the loop's selector and calls a threadsafe function.
//!
//! For hosts without a usable libuv (Bun, Deno). [`wait`] runs on the driver's thread, all else on
//! the JavaScript thread. The thread waits only while it is armed, and parks itself with each call:
//! a readable selector causes one wake-up per turn.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use napi::Status;
use napi::bindgen_prelude::Function;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;

use super::Failure;
use crate::fd::JsFd;

type Wake = ThreadsafeFunction<(), (), (), Status, false>;

/// The thread, and the state that it shares with the loop. Dropping it ends and joins the thread.
pub(crate) struct Watch {
    shared: Arc<Shared>,
    /// Interrupts the thread's poll.
    interrupt: PipeWriter,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    post: Mutex<Post>,
    changed: Condvar,
}

/// The thread's orders.
struct Post {
    state: State,
    /// The selector to wait on. A duplicate: the loop may close its own while the thread waits.
    selector: Arc<OwnedFd>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Wait on the selector.
    Armed,
    /// A wake-up was sent: wait until the turn is over.
    Parked,
    /// End.
    Ended,
}

impl Watch {
    pub(crate) fn start(
        wake: &Function<'_, (), ()>,
        selector: impl FnOnce() -> Option<RawFd>,
    ) -> Result<Self, Failure> {
        let wake: Wake = wake.build_threadsafe_function().build()?;
        let selector = duplicate(selector())?;
        let (interrupted, interrupt) = io::pipe()?;
        let state = State::Armed;
        let shared = Arc::new(Shared {
            post: Mutex::new(Post { state, selector }),
            changed: Condvar::new(),
        });
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("ioloop-driver".into())
            .spawn(move || wait(&theirs, &interrupted, &wake))?;
        Ok(Self {
            shared,
            interrupt,
            thread: Some(thread),
        })
    }

    /// Waits on another selector from now on.
    pub(crate) fn move_to(&mut self, selector: RawFd) -> io::Result<()> {
        self.shared.lock().selector = duplicate(Some(selector))?;
        // It fails only if the thread has ended, and with it its end of the pipe.
        let _gone = self.interrupt.write_all(&[0]);
        Ok(())
    }

    /// The turn is over: waits on the selector again.
    pub(crate) fn rearm(&self) {
        let mut post = self.shared.lock();
        if post.state == State::Parked {
            post.state = State::Armed;
            self.shared.changed.notify_one();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.lock().state = State::Ended;
        self.shared.changed.notify_one();
        // It fails only if the thread has ended, and with it its end of the pipe.
        let _gone = self.interrupt.write_all(&[0]);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

impl Shared {
    /// Ignores poisoning: a panic leaves each field whole.
    fn lock(&self) -> MutexGuard<'_, Post> {
        self.post.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Blocks while parked. The selector to wait on; `None` if the thread has to end.
    fn armed(&self) -> Option<Arc<OwnedFd>> {
        let post = self
            .changed
            .wait_while(self.lock(), |post| post.state == State::Parked)
            .unwrap_or_else(PoisonError::into_inner);
        (post.state == State::Armed).then(|| Arc::clone(&post.selector))
    }

    /// Called before the wake-up is sent, so that the rearm of its turn cannot come first.
    fn park(&self) {
        let mut post = self.lock();
        if post.state == State::Armed {
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

/// A duplicate of the selector's descriptor.
fn duplicate(selector: Option<RawFd>) -> io::Result<Arc<OwnedFd>> {
    let selector = JsFd::new(selector.ok_or(Errno::BADF)?)?;
    Ok(Arc::new(selector.as_fd().try_clone_to_owned()?))
}

/// The thread's function: wait, park, wake. If it cannot wait (`RLIMIT_NOFILE` below 2, no memory),
/// it wakes the loop after a pause, to collect without knowing.
fn wait(shared: &Shared, interrupted: &PipeReader, wake: &Wake) {
    let mut pause = FIRST_PAUSE;
    while let Some(selector) = shared.armed() {
        let mut fds = [
            PollFd::new(&*selector, PollFlags::IN),
            PollFd::new(interrupted, PollFlags::IN),
        ];
        match rustix::event::poll(&mut fds, None) {
            Ok(_) => pause = FIRST_PAUSE,
            // The state may have changed.
            Err(Errno::INTR) => continue,
            Err(_) => {
                shared.rest(pause);
                pause = (2 * pause).min(LONGEST_PAUSE);
            }
        }
        if !fds[1].revents().is_empty() {
            let _byte = (&mut &*interrupted).read(&mut [0]);
            continue;
        }
        shared.park();
        // It fails only while the environment ends, which ends this thread too.
        wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
