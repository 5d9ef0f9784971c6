//! What the calls of a thread have returned. Any thread replies; the caller's thread takes.
//!
//! An async handle of libuv wakes the caller's thread, or a threadsafe function where there is no
//! libuv: a call needs no loop there. It keeps no process alive, and is used once between two takes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use napi::Status;
use napi::bindgen_prelude::{Buffer, Env, External, Function};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;
use rustix::io::Errno;

use super::registry::lock;
use super::wait::wait;
use super::{header, padded};
use crate::glue::glue;
use crate::uv::short_wait::{Awaited, ShortWait};
use crate::uv::waker::{Target, Waker};

/// The replies to one thread. JavaScript holds it as an external value.
pub struct Replies {
    caller: Arc<Caller>,
    /// Only with libuv. Keeps the function alive that `wait` calls, too.
    _waker: Option<Waker>,
    wait: Option<ShortWait>,
}

/// The side of a caller that other threads reach.
pub(crate) struct Caller {
    inbox: Mutex<Inbox>,
    /// `inbox` has records: for a wait without the lock.
    is_ready: AtomicBool,
}

struct Inbox {
    /// Records that were not taken.
    records: Vec<u8>,
    /// `None` once the environment ends.
    wake: Option<Arc<Wake>>,
    /// `wake` was called since the last take, or the caller waits for the next one.
    woken: bool,
}

/// What wakes the caller's thread.
enum Wake {
    Libuv(Arc<Target>),
    Host(ThreadsafeFunction<(), (), (), Status, false, true>),
}

/// Status of a reply: the bytes are the result.
#[napi]
pub const REPLY_RETURNED: u32 = 0;

/// Status of a reply: the bytes are what the function has thrown.
#[napi]
pub const REPLY_THROWN: u32 = 1;

/// Status of a reply: the loop was closed, which ends a lane and its calls. No bytes.
#[napi]
pub const REPLY_CLOSED: u32 = 2;

/// Status of a reply: no function has this index any more. No bytes.
#[napi]
pub const REPLY_NOT_EXPOSED: u32 = 3;

/// Makes the replies of this thread. `wake` is called when there are some to take. Does not keep the
/// process alive. Uses libuv if `has_libuv`; with `waits` as well, `repliesExpect` waits.
#[napi(catch_unwind)]
pub fn replies_open(
    env: Env,
    wake: Function<'_, (), ()>,
    has_libuv: bool,
    waits: bool,
) -> napi::Result<External<Replies>> {
    let (waker, wake_up) = if has_libuv {
        let waker = Waker::new(env, &wake)?;
        let target = waker.target().map(Wake::Libuv);
        (Some(waker), target)
    } else {
        let function = wake.build_threadsafe_function().weak::<true>().build()?;
        (None, Some(Wake::Host(function)))
    };
    let caller = Arc::new(Caller {
        inbox: Mutex::new(Inbox {
            records: Vec::new(),
            wake: wake_up.map(Arc::new),
            woken: false,
        }),
        is_ready: AtomicBool::new(false),
    });
    let wait = if has_libuv && waits {
        Some(ShortWait::new(env, &wake, Arc::clone(&caller))?)
    } else {
        None
    };
    // Hooks run last in, first out: this one before that of the waker.
    env.add_env_cleanup_hook(Arc::clone(&caller), |caller| {
        let mut inbox = lock(&caller.inbox);
        let ended = inbox.wake.take();
        inbox.records = Vec::new();
        drop(inbox);
        drop(ended);
    })?;
    Ok(External::new(Replies {
        caller,
        _waker: waker,
        wait,
    }))
}

/// The replies since the last call, as records (`remote/mod.rs`), if `repliesTake` has no room for
/// them.
#[napi(catch_unwind)]
#[must_use]
pub fn replies_take_many(replies: &External<Replies>) -> Buffer {
    let mut inbox = replies.caller.open();
    std::mem::take(&mut inbox.records).into()
}

glue! {
    "`repliesTake(replies, room)`: copies the replies since the last call to `room`, as records"
    "(`remote/mod.rs`). The number of bytes; `-ENOSPC` if `room` is too small for all of them."
    repliesTake(replies: &External<Replies>, room: &mut [u8]) {
        let mut inbox = replies.caller.open();
        let length = inbox.records.len();
        room.get_mut(..length).ok_or(Errno::NOSPC)?.copy_from_slice(&inbox.records);
        inbox.records.clear();
        Ok(length)
    }
}

glue! {
    "`repliesExpect(replies)`: a call was made: waits shortly for its reply before Node's loop sleeps,"
    "if that pays, and calls `wake` when it has come."
    repliesExpect(replies: &External<Replies>) {
        if let Some(wait) = &replies.wait {
            wait.expect();
        }
        Ok(())
    }
}

impl Replies {
    pub(super) fn caller(&self) -> Arc<Caller> {
        Arc::clone(&self.caller)
    }
}

impl Caller {
    /// For a take of all records: the next reply wakes.
    fn open(&self) -> MutexGuard<'_, Inbox> {
        let mut inbox = lock(&self.inbox);
        inbox.woken = false;
        self.is_ready.store(false, Ordering::Relaxed);
        inbox
    }

    /// Sends a reply, and wakes the caller if it has not been since it took the last ones.
    pub(super) fn send(&self, first: u32, status: u32, bytes: &[u8]) {
        let mut inbox = lock(&self.inbox);
        let Inbox {
            records,
            wake: Some(wake),
            woken,
        } = &mut *inbox
        else {
            return;
        };
        records.extend_from_slice(&header(first, status, bytes.len()));
        records.extend_from_slice(bytes);
        records.resize(padded(records.len()), 0);
        self.is_ready.store(true, Ordering::Release);
        if *woken {
            return;
        }
        *woken = true;
        let wake = Arc::clone(wake);
        drop(inbox);
        // Without the lock: the caller's thread may run at once, and takes it.
        wake.wake();
    }
}

impl Awaited for Arc<Caller> {
    fn wait(&self, budget: Duration) -> bool {
        lock(&self.inbox).woken = true;
        if wait(budget, || self.is_ready.load(Ordering::Acquire)) {
            return true;
        }
        let mut inbox = lock(&self.inbox);
        inbox.woken = !inbox.records.is_empty();
        inbox.woken
    }
}

impl Wake {
    fn wake(&self) {
        match self {
            Self::Libuv(target) => target.wake(),
            // It fails only while the environment ends.
            Self::Host(function) => {
                function.call((), ThreadsafeFunctionCallMode::NonBlocking);
            }
        }
    }
}
