//! Posting to a loop from other threads: an inbox, and a waker that is rung once for many posts.
//!
//! Runs on any thread: [`LoopHandle::post`] and [`LoopHandle::wake`]; neither ever blocks for
//! longer than it takes to push on a vector. Runs on the loop's thread: everything else.

#[cfg(loom)]
use loom::sync::{Arc, Mutex};
#[cfg(not(loom))]
use std::sync::{Arc, Mutex};

use std::io;

/// What interrupts a wait. mio's waker, or a model of it.
pub trait Wake {
    /// Ends the wait in progress, or the next one.
    ///
    /// # Errors
    ///
    /// What `write(2)` to the eventfd says.
    fn wake(&self) -> io::Result<()>;
}

impl Wake for mio::Waker {
    fn wake(&self) -> io::Result<()> {
        mio::Waker::wake(self)
    }
}

/// Hands commands to a loop from any thread. Clones share one inbox.
#[derive(Debug)]
pub struct LoopHandle<C, W = mio::Waker> {
    shared: Arc<Mutex<Shared<C, W>>>,
}

/// The loop was closed; the command comes back unused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed<C>(pub C);

/// The loop's end of the handles. Dropping it closes them.
#[derive(Debug)]
pub struct Inbox<C, W = mio::Waker> {
    shared: Arc<Mutex<Shared<C, W>>>,
}

#[derive(Debug)]
struct Shared<C, W> {
    commands: Vec<C>,
    /// Rung, and not drained since: whoever posts now need not ring again.
    woken: bool,
    /// `None` once the loop is closed.
    waker: Option<W>,
}

/// A handle and the inbox it posts to.
pub fn channel<C, W: Wake>(waker: W) -> (LoopHandle<C, W>, Inbox<C, W>) {
    let shared = Shared {
        commands: Vec::new(),
        woken: false,
        waker: Some(waker),
    };
    let shared = Arc::new(Mutex::new(shared));
    (
        LoopHandle {
            shared: Arc::clone(&shared),
        },
        Inbox { shared },
    )
}

impl<C, W: Wake> LoopHandle<C, W> {
    /// Queues a command for the loop's next turn and wakes the loop. Commands of one thread arrive
    /// in their order, each exactly once; when the loop is closed before, they are dropped there.
    ///
    /// # Errors
    ///
    /// [`Closed`], with the command, when the loop is closed.
    pub fn post(&self, command: C) -> Result<(), Closed<C>> {
        let mut shared = lock(&self.shared);
        if shared.waker.is_none() {
            return Err(Closed(command));
        }
        shared.commands.push(command);
        shared.wake();
        Ok(())
    }

    /// Wakes the loop without a command. Many wakes before the next turn are one.
    pub fn wake(&self) {
        lock(&self.shared).wake();
    }

    /// Whether the loop is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        lock(&self.shared).waker.is_none()
    }
}

impl<C, W> Clone for LoopHandle<C, W> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<C, W: Wake> Inbox<C, W> {
    /// Moves what was posted to `commands`. A post after this rings again.
    pub fn drain(&self, commands: &mut Vec<C>) {
        let mut shared = lock(&self.shared);
        shared.woken = false;
        commands.append(&mut shared.commands);
    }

    /// Takes another waker, for a new set. Rings it if somebody had rung the old one.
    pub fn replace_waker(&self, waker: W) {
        let mut shared = lock(&self.shared);
        shared.waker = Some(waker);
        if std::mem::take(&mut shared.woken) {
            shared.wake();
        }
    }
}

impl<C, W> Drop for Inbox<C, W> {
    fn drop(&mut self) {
        let mut shared = lock(&self.shared);
        shared.waker = None;
        shared.commands = Vec::new();
    }
}

impl<C, W: Wake> Shared<C, W> {
    /// Rings under the lock, so that the waker cannot be closed in between: a write to an eventfd
    /// takes as long as the lock would.
    fn wake(&mut self) {
        let Some(waker) = &self.waker else { return };
        // It fails only when the descriptor is broken; then the next post tries again.
        self.woken = self.woken || waker.wake().is_ok();
    }
}

/// A poisoned lock is used on: a push or a take leaves the queue whole whatever panics.
fn lock<T>(mutex: &Mutex<T>) -> Guard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(loom)]
type Guard<'a, T> = loom::sync::MutexGuard<'a, T>;
#[cfg(not(loom))]
type Guard<'a, T> = std::sync::MutexGuard<'a, T>;
