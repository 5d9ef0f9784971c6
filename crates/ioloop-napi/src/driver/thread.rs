//! The thread driver: a thread waits on the loop's set and calls a threadsafe function.
//!
//! For hosts without a usable libuv (Bun, Deno). Runs on the driver's thread: [`wait`]. Runs on
//! the JavaScript thread: everything else. The thread waits only while it is armed; it disarms
//! itself with each call, so that one readable set is one wake-up and not a storm of them.

use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use napi::Status;
use napi::bindgen_prelude::Function;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use rustix::event::{PollFd, PollFlags};

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
    state: Mutex<State>,
    changed: Condvar,
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
    pub(crate) fn start(set: RawFd, wake: &Function<'_, (), ()>) -> napi::Result<Self> {
        // A copy of its own: the loop may replace or close its set while the thread waits.
        let set = JsFd::adopt(set)
            .ok_or_else(closed)?
            .as_fd()
            .try_clone_to_owned()?;
        let (interrupted, interrupt) = std::io::pipe()?;
        let wake: Wake = wake.build_threadsafe_function().build()?;
        let shared = Arc::new(Shared {
            state: Mutex::new(State::Armed),
            changed: Condvar::new(),
        });
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("ioloop-driver".into())
            .spawn(move || wait(&theirs, &set, &interrupted, &wake))?;
        Ok(Self {
            shared,
            interrupt,
            thread: Some(thread),
        })
    }

    /// The turn is over: wait for the set again.
    pub(crate) fn rearm(&self) {
        let mut state = self.shared.lock();
        if *state == State::Parked {
            *state = State::Armed;
            self.shared.changed.notify_one();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        *self.shared.lock() = State::Ended;
        self.shared.changed.notify_one();
        // It fails only when the thread is gone and its end of the pipe with it.
        let _gone = self.interrupt.write_all(&[0]);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

impl Shared {
    /// A state is one word: whatever panics leaves it whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Blocks while a wake-up is under way; false when the thread shall end.
    fn is_armed(&self) -> bool {
        let state = self
            .changed
            .wait_while(self.lock(), |state| *state == State::Parked)
            .unwrap_or_else(PoisonError::into_inner);
        *state == State::Armed
    }

    /// Parks before the wake-up is sent, so that the rearm it leads to cannot come too early.
    fn park(&self) {
        let mut state = self.lock();
        if *state == State::Armed {
            *state = State::Parked;
        }
    }
}

fn closed() -> napi::Error {
    napi::Error::from_reason("the loop is closed")
}

/// The thread: wait, wake, park.
fn wait(shared: &Shared, set: &OwnedFd, interrupted: &PipeReader, wake: &Wake) {
    while shared.is_armed() {
        let mut fds = [
            PollFd::new(set, PollFlags::IN),
            PollFd::new(interrupted, PollFlags::IN),
        ];
        // EINTR: look at the state and wait again.
        if rustix::event::poll(&mut fds, None).is_err() {
            continue;
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
