//! The loops of this process that other threads may call, by id. Ids are not reused.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use ioloop::LoopHandle;

use super::Command;

/// The side of a loop that other threads reach.
pub(crate) struct Exposed {
    pub(super) handle: LoopHandle<Command>,
    /// The index of each function that is exposed.
    names: Mutex<HashMap<String, u32>>,
}

/// The registration of a loop. Dropping it removes the loop.
pub(crate) struct Registration {
    pub(super) id: u32,
    pub(super) exposed: Arc<Exposed>,
}

static NEXT_ID: AtomicU32 = AtomicU32::new(1);
static LOOPS: LazyLock<Mutex<HashMap<u32, Arc<Exposed>>>> = LazyLock::new(Mutex::default);

impl Registration {
    pub(super) fn new(handle: LoopHandle<Command>) -> Self {
        let exposed = Arc::new(Exposed {
            handle,
            names: Mutex::default(),
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
}

/// Ignores poisoning: an insertion or a removal leaves the table whole if it panics.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
