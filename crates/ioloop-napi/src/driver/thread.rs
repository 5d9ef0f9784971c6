//! The thread driver: a thread waits on the loop's set and calls a threadsafe function.
//!
//! For hosts without a usable libuv (Bun, Deno). Runs on the driver's thread: [`wait`]. Runs on
//! the JavaScript thread: everything else. The thread waits only while it is armed; it disarms
//! itself with each call, so that one readable set is one wake-up and not a storm of them.

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

/// The thread and what it shares with us. Dropping it ends and joins the thread.
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

/// What the thread is to do.
struct Post {
    state: State,
    /// The set to wait on. A copy of its own: the loop may close its set while the thread waits.
    set: Arc<OwnedFd>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Wait on the set.
    Armed,
    /// A wake-up is under way: wait until the turn is over.
    Parked,
    /// End.
    Ended,
}

impl Watch {
    pub(crate) fn start(
        wake: &Function<'_, (), ()>,
        set: impl FnOnce() -> Option<RawFd>,
    ) -> Result<Self, Failure> {
        let wake: Wake = wake.build_threadsafe_function().build()?;
        let set = copy(set())?;
        let (interrupted, interrupt) = io::pipe()?;
        let state = State::Armed;
        let shared = Arc::new(Shared {
            post: Mutex::new(Post { state, set }),
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

    /// Waits on another set from now on.
    pub(crate) fn move_to(&mut self, set: RawFd) -> io::Result<()> {
        self.shared.lock().set = copy(Some(set))?;
        // It fails only when the thread is gone and its end of the pipe with it.
        let _gone = self.interrupt.write_all(&[0]);
        Ok(())
    }

    /// The turn is over: wait for the set again.
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
        // It fails only when the thread is gone and its end of the pipe with it.
        let _gone = self.interrupt.write_all(&[0]);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

impl Shared {
    /// The fields are replaced one by one: whatever panics leaves them whole.
    fn lock(&self) -> MutexGuard<'_, Post> {
        self.post.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Blocks while a wake-up is under way. The set to wait on; `None` when the thread shall end.
    fn armed(&self) -> Option<Arc<OwnedFd>> {
        let post = self
            .changed
            .wait_while(self.lock(), |post| post.state == State::Parked)
            .unwrap_or_else(PoisonError::into_inner);
        (post.state == State::Armed).then(|| Arc::clone(&post.set))
    }

    /// Parks before the wake-up is sent, so that the rearm it leads to cannot come too early.
    fn park(&self) {
        let mut post = self.lock();
        if post.state == State::Armed {
            post.state = State::Parked;
        }
    }

    /// Blocks for a while, or until the thread shall end.
    fn rest(&self, pause: Duration) {
        let rested = self
            .changed
            .wait_timeout_while(self.lock(), pause, |post| post.state != State::Ended);
        drop(rested);
    }
}

/// A descriptor of our own for `set`.
fn copy(set: Option<RawFd>) -> io::Result<Arc<OwnedFd>> {
    let set = JsFd::new(set.ok_or(Errno::BADF)?)?;
    Ok(Arc::new(set.as_fd().try_clone_to_owned()?))
}

/// The thread: wait, wake, park. When it cannot wait (`RLIMIT_NOFILE` below 2, no memory), it
/// wakes the loop after a pause, to look by itself.
fn wait(shared: &Shared, interrupted: &PipeReader, wake: &Wake) {
    let mut pause = FIRST_PAUSE;
    while let Some(set) = shared.armed() {
        let mut fds = [
            PollFd::new(&*set, PollFlags::IN),
            PollFd::new(interrupted, PollFlags::IN),
        ];
        match rustix::event::poll(&mut fds, None) {
            Ok(_) => pause = FIRST_PAUSE,
            // Look at the state and wait again.
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
        // It fails only when the environment is ending, which ends this thread as well.
        wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
