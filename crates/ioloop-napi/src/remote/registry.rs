//! The loops of this process that other threads may call, by id. Ids are not reused. A process may
//! load the binary of another copy of the package too, whose loops have the same ids.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use ioloop::{Lane, LoopHandle};
use napi_derive::napi;

use super::Command;
use super::replies::Caller;
use crate::detached::number_of;

/// The side of a loop that other threads reach.
pub(crate) struct Exposed {
    pub(super) handle: LoopHandle<Command>,
    /// Most posts of one lane that wait for a turn.
    pub(super) posts: u32,
    /// The index of each function that is exposed.
    names: Mutex<HashMap<String, u32>>,
    /// Lanes that the loop has not seen; `None` once it is closed.
    opened: Mutex<Option<Vec<Arc<Link>>>>,
}

/// A lane, and its sender.
pub(crate) struct Link {
    pub(super) lane: Lane,
    pub(super) caller: Arc<Caller>,
    /// The number of the lane among those of the caller.
    pub(super) number: u32,
    /// The sender has ended, and posts nothing more.
    pub(super) ended: AtomicBool,
}

/// The registration of a loop. Dropping it removes the loop.
pub(crate) struct Registration {
    pub(super) id: u32,
    pub(super) exposed: Arc<Exposed>,
}

static NEXT_ID: AtomicU32 = AtomicU32::new(1);
static LOOPS: LazyLock<Mutex<HashMap<u32, Arc<Exposed>>>> = LazyLock::new(Mutex::default);
/// Drawn at random. 53 bits, the integers of a double.
static COPY: LazyLock<f64> = LazyLock::new(|| number_of(RandomState::new().hash_one(()) >> 11));

/// The number of this binary in this process: those of other copies of the package have others.
#[napi(catch_unwind)]
#[must_use]
pub fn remote_copy() -> f64 {
    *COPY
}

impl Registration {
    pub(super) fn new(handle: LoopHandle<Command>, posts: u32) -> Self {
        let exposed = Arc::new(Exposed {
            handle,
            posts,
            names: Mutex::default(),
            opened: Mutex::new(Some(Vec::new())),
        });
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        lock(&LOOPS).insert(id, Arc::clone(&exposed));
        Self { id, exposed }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        lock(&LOOPS).remove(&self.id);
    }
}

impl Exposed {
    /// The loop of an id, unless it is closed.
    pub(super) fn find(id: u32) -> Option<Arc<Self>> {
        lock(&LOOPS).get(&id).cloned()
    }

    pub(super) fn insert(&self, name: String, function: u32) {
        lock(&self.names).insert(name, function);
    }

    pub(super) fn remove(&self, name: &str) {
        lock(&self.names).remove(name);
    }

    pub(super) fn function(&self, name: &str) -> Option<u32> {
        lock(&self.names).get(name).copied()
    }

    /// Hands a lane to the loop; false if it is closed. The loop takes it in the turn that the first
    /// post causes.
    pub(super) fn open(&self, link: Arc<Link>) -> bool {
        match &mut *lock(&self.opened) {
            Some(opened) => {
                opened.push(link);
                true
            }
            None => false,
        }
    }

    /// The sender of a lane has ended. Of one that the loop has not seen, only the posts stay: a loop
    /// that never runs would keep the memory of all its callers.
    pub(super) fn retire(&self, link: &Arc<Link>) {
        let mut opened = lock(&self.opened);
        let Some(opened) = &mut *opened else { return };
        let is_it = |each: &Arc<Link>| Arc::ptr_eq(each, link);
        // The latest first: they end first, where callers come one after the other.
        let Some(at) = opened.iter().rposition(is_it) else {
            return;
        };
        if link.lane.is_empty() {
            opened.remove(at);
            return;
        }
        opened[at] = Arc::new(Link {
            lane: link.lane.retire(),
            caller: Arc::clone(&link.caller),
            number: link.number,
            ended: AtomicBool::new(true),
        });
    }

    pub(super) fn is_closed(&self) -> bool {
        lock(&self.opened).is_none()
    }

    /// The lanes that were opened since the last call.
    pub(super) fn take_opened(&self) -> Vec<Arc<Link>> {
        lock(&self.opened)
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default()
    }

    /// [`take_opened`](Self::take_opened) for the last time: no lane is opened from now on.
    pub(super) fn close(&self) -> Vec<Arc<Link>> {
        lock(&self.opened).take().unwrap_or_default()
    }
}

impl Link {
    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }
}

/// Ignores poisoning: an insertion or a removal leaves the table whole if it panics.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
