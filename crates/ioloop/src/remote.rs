//! Commands from other threads: an inbox, and a waker that many posts share.
//!
//! [`LoopHandle`] is `Send`, `Sync` and `Clone`. Its functions may run on any thread and block only
//! for the time of a push onto a vector. [`Inbox`] belongs to the loop's thread.

#[cfg(loom)]
use loom::sync::{Arc, Mutex};
#[cfg(not(loom))]
use std::sync::{Arc, Mutex};

use std::io;

/// Interrupts a wait. Implemented by mio's waker, and by a model in the loom tests.
pub trait Wake {
    /// Ends the wait in progress, or the next one.
    ///
    /// # Errors
    ///
    /// Of `write(2)` to the eventfd.
    fn wake(&self) -> io::Result<()>;
}

impl Wake for mio::Waker {
    fn wake(&self) -> io::Result<()> {
        mio::Waker::wake(self)
    }
}

/// Posts commands to a loop from any thread. Clones share one inbox.
#[derive(Debug)]
pub struct LoopHandle<C, W = mio::Waker> {
    shared: Arc<Mutex<Shared<C, W>>>,
}

/// The loop was closed. Contains the command that was not posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed<C>(pub C);

/// The receiving end of the handles. Dropping it closes them.
#[derive(Debug)]
pub struct Inbox<C, W = mio::Waker> {
    shared: Arc<Mutex<Shared<C, W>>>,
}

#[derive(Debug)]
struct Shared<C, W> {
    commands: Vec<C>,
    /// The waker was called since the last drain, so a post does not call it again.
    woken: bool,
    /// `None` once the loop is closed.
    waker: Option<W>,
}

/// An inbox and the first handle to it.
pub fn channel<C, W: Wake>(waker: W) -> (LoopHandle<C, W>, Inbox<C, W>) {
    let shared = Shared {
        commands: Vec::new(),
        woken: false,
        waker: Some(waker),
    };
    let inbox = Inbox {
        shared: Arc::new(Mutex::new(shared)),
    };
    (inbox.handle(), inbox)
}

impl<C, W: Wake> LoopHandle<C, W> {
    /// Queues a command for the loop's next turn and wakes the loop. Commands still in the inbox
    /// when the loop closes are dropped.
    ///
    /// # Ordering
    ///
    /// Commands of one thread arrive in the order of its posts, each once.
    ///
    /// # Errors
    ///
    /// [`Closed`], with the command, once the loop is closed.
    pub fn post(&self, command: C) -> Result<(), Closed<C>> {
        let mut shared = lock(&self.shared);
        if shared.waker.is_none() {
            return Err(Closed(command));
        }
        shared.commands.push(command);
        shared.wake();
        Ok(())
    }

    /// Wakes the loop without a command. Wakes are coalesced: many before the next turn are one.
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
    /// Another handle to this inbox.
    #[must_use]
    pub fn handle(&self) -> LoopHandle<C, W> {
        LoopHandle {
            shared: Arc::clone(&self.shared),
        }
    }

    /// Appends the queued commands to `commands`. The next post calls the waker again.
    pub fn drain(&self, commands: &mut Vec<C>) {
        let mut shared = lock(&self.shared);
        shared.woken = false;
        commands.append(&mut shared.commands);
    }

    /// Replaces the waker, for a new selector. A wake that is outstanding is repeated on it.
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
    /// Calls the waker under the lock, so that it cannot be closed meanwhile. A write to an eventfd
    /// takes about as long as the lock.
    fn wake(&mut self) {
        let Some(waker) = &self.waker else { return };
        // Fails only on a broken descriptor; the next post then tries again.
        self.woken = self.woken || waker.wake().is_ok();
    }
}

/// Ignores poisoning: a push or a take leaves the queue whole if it panics.
fn lock<T>(mutex: &Mutex<T>) -> Guard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(loom)]
type Guard<'a, T> = loom::sync::MutexGuard<'a, T>;
#[cfg(not(loom))]
type Guard<'a, T> = std::sync::MutexGuard<'a, T>;
