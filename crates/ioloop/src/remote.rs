//! Commands from other threads: a bounded inbox, and a waker that many posts share.
//!
//! [`LoopHandle`] is `Send`, `Sync` and `Clone`. Its functions may run on any thread and block only
//! for the time of a push onto a vector. [`Inbox`] belongs to the loop's thread.
//!
//! | State | [`post`](LoopHandle::post) | Next state |
//! | --- | --- | --- |
//! | quiet: no wake-up since the last drain | accepts, wakes | woken |
//! | woken: a wake-up is outstanding | accepts; if full, refuses: [`PostError::Full`] | quiet: [`drain`](Inbox::drain) |
//! | closed | refuses: [`PostError::Closed`] | |
//!
//! [`close`](Inbox::close) returns the commands that were accepted and not drained. An accepted
//! command is thus drained or returned, once.

#[cfg(loom)]
use loom::sync::{Arc, Mutex};
#[cfg(not(loom))]
use std::sync::{Arc, Mutex};

use std::{fmt, io};

use crate::reactor::Waker;

/// Interrupts a wait. Implemented by the selector's waker, and by a model in the loom tests.
pub trait Wake {
    /// Ends the wait in progress, or the next one.
    ///
    /// # Errors
    ///
    /// Of `write(2)` to the eventfd.
    fn wake(&self) -> io::Result<()>;
}

/// Posts commands to a loop from any thread. Clones share one inbox.
#[derive(Debug)]
pub struct LoopHandle<C, W = Waker> {
    shared: Arc<Mutex<Shared<C, W>>>,
}

/// The command was not posted. Contains it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostError<C> {
    /// The loop is closed.
    Closed(C),
    /// The inbox has as many commands as it holds. The next turn of the loop makes room.
    Full(C),
}

impl<C> PostError<C> {
    /// The command that was not posted.
    pub fn into_command(self) -> C {
        match self {
            Self::Closed(command) | Self::Full(command) => command,
        }
    }
}

impl<C> fmt::Display for PostError<C> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Closed(_) => "the event loop is closed",
            Self::Full(_) => "the inbox of the event loop is full",
        })
    }
}

impl<C: fmt::Debug> std::error::Error for PostError<C> {}

/// Counts since the inbox was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Commands that were accepted.
    pub posts: u64,
    /// Calls of the waker. At most one between two drains, unless the waker was replaced.
    pub wakes: u64,
}

/// The receiving end of the handles. Dropping it closes them.
#[derive(Debug)]
pub struct Inbox<C, W = Waker> {
    shared: Arc<Mutex<Shared<C, W>>>,
}

#[derive(Debug)]
struct Shared<C, W> {
    commands: Vec<C>,
    /// Most commands between two drains.
    capacity: usize,
    counts: Counts,
    /// The waker was called since the last drain, so a post does not call it again.
    woken: bool,
    /// `None` once the loop is closed.
    waker: Option<Arc<W>>,
}

/// An inbox that holds at most `capacity` commands, and the first handle to it.
pub fn channel<C, W: Wake>(waker: W, capacity: usize) -> (LoopHandle<C, W>, Inbox<C, W>) {
    let shared = Shared {
        commands: Vec::new(),
        capacity,
        counts: Counts::default(),
        woken: false,
        waker: Some(Arc::new(waker)),
    };
    let inbox = Inbox {
        shared: Arc::new(Mutex::new(shared)),
    };
    (inbox.handle(), inbox)
}

impl<C, W: Wake> LoopHandle<C, W> {
    /// Queues a command for the loop's next turn and wakes the loop. A loop that does not turn keeps
    /// the commands until it does.
    ///
    /// # Ordering
    ///
    /// Commands of one thread arrive in the order of its posts, each once.
    ///
    /// # Errors
    ///
    /// [`PostError::Closed`] once the loop is closed, [`PostError::Full`] if it has not drained the
    /// commands of before. Both contain the command, which was not accepted.
    pub fn post(&self, command: C) -> Result<(), PostError<C>> {
        let mut shared = lock(&self.shared);
        if shared.waker.is_none() {
            return Err(PostError::Closed(command));
        }
        if shared.commands.len() >= shared.capacity {
            return Err(PostError::Full(command));
        }
        shared.commands.push(command);
        shared.counts.posts += 1;
        let waker = shared.take_wake();
        drop(shared);
        self.call(waker);
        Ok(())
    }

    /// Wakes the loop without a command. Wakes are coalesced: many before the next turn are one.
    pub fn wake(&self) {
        let waker = lock(&self.shared).take_wake();
        self.call(waker);
    }

    /// Whether the loop is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        lock(&self.shared).waker.is_none()
    }

    /// Without the lock: the loop's thread may run at once, and takes the lock.
    fn call(&self, waker: Option<Arc<W>>) {
        if waker.is_some_and(|waker| waker.wake().is_err()) {
            // Only on a broken descriptor; the next post tries again.
            lock(&self.shared).woken = false;
        }
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

    /// Appends the queued commands to `commands`. The next post calls the waker again. Whether a
    /// handle has posted or woken since the last drain.
    pub fn drain(&self, commands: &mut Vec<C>) -> bool {
        let mut shared = lock(&self.shared);
        commands.append(&mut shared.commands);
        std::mem::take(&mut shared.woken)
    }

    /// Closes the handles. Returns the commands that were accepted and not drained.
    #[must_use]
    pub fn close(&self) -> Vec<C> {
        let mut shared = lock(&self.shared);
        shared.waker = None;
        std::mem::take(&mut shared.commands)
    }

    /// How much was posted, by how many wake-ups.
    #[must_use]
    pub fn counts(&self) -> Counts {
        lock(&self.shared).counts
    }

    /// Replaces the waker, for a new selector. A wake that is outstanding is repeated on it. Closed handles stay closed.
    pub fn replace_waker(&self, waker: W) {
        let mut shared = lock(&self.shared);
        if shared.waker.is_none() {
            return;
        }
        let waker = Arc::new(waker);
        shared.waker = Some(Arc::clone(&waker));
        // A post may have taken the old one, and not called it yet.
        if shared.woken && waker.wake().is_err() {
            shared.woken = false;
        }
    }
}

impl<C, W> Drop for Inbox<C, W> {
    fn drop(&mut self) {
        let mut shared = lock(&self.shared);
        shared.waker = None;
        let left = std::mem::take(&mut shared.commands);
        // Dropping a command may post: not under the lock.
        drop(shared);
        drop(left);
    }
}

impl<C, W> Shared<C, W> {
    /// The waker, to be called; `None` if a wake-up is outstanding, or the loop is closed.
    fn take_wake(&mut self) -> Option<Arc<W>> {
        let waker = if self.woken { None } else { self.waker.clone() }?;
        self.woken = true;
        self.counts.wakes += 1;
        Some(waker)
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
