//! What the calls of a thread have returned. Any thread answers; the caller's thread takes.
//!
//! A threadsafe function wakes the caller's thread: a call needs no loop there. It is weak, so it
//! keeps no process alive, and it is called once between two takes.

use std::sync::{Arc, Mutex};

use napi::Status;
use napi::bindgen_prelude::{Buffer, Env, External, Function};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;

use super::registry::lock;
use super::write;

/// The replies to one thread. JavaScript holds it as an external value.
pub struct Replies {
    caller: Arc<Mutex<Caller>>,
}

/// The side of a caller that other threads reach.
struct Caller {
    /// Records that were not taken.
    records: Vec<u8>,
    /// `None` once the environment ends.
    wake: Option<Wake>,
    /// `wake` was called since the last take.
    woken: bool,
}

type Wake = ThreadsafeFunction<(), (), (), Status, false, true>;

/// Answers a call once. Dropped without an answer, it answers [`REPLY_CLOSED`].
pub(crate) struct Reply {
    /// `None` once answered.
    caller: Option<Arc<Mutex<Caller>>>,
    call: u32,
}

/// Status of a reply: the bytes are the result.
#[napi]
pub const REPLY_RETURNED: u32 = 0;

/// Status of a reply: the bytes are what the function has thrown.
#[napi]
pub const REPLY_THROWN: u32 = 1;

/// Status of a reply: the loop was closed first. No bytes.
#[napi]
pub const REPLY_CLOSED: u32 = 2;

/// Status of a reply: no function has this index any more. No bytes.
#[napi]
pub const REPLY_NOT_EXPOSED: u32 = 3;

/// Makes the replies of this thread. `wake` is called when there are some to take. Does not keep the
/// process alive.
#[napi(catch_unwind)]
pub fn replies_open(env: Env, wake: Function<'_, (), ()>) -> napi::Result<External<Replies>> {
    let wake = wake.build_threadsafe_function().weak::<true>().build()?;
    let caller = Arc::new(Mutex::new(Caller {
        records: Vec::new(),
        wake: Some(wake),
        woken: false,
    }));
    // Hooks run last in, first out: this one before that of the threadsafe function.
    env.add_env_cleanup_hook(Arc::clone(&caller), |caller| {
        let mut caller = lock(&caller);
        let ended = caller.wake.take();
        caller.records = Vec::new();
        drop(caller);
        drop(ended);
    })?;
    Ok(External::new(Replies { caller }))
}

/// The replies since the last call, as records (`remote/mod.rs`).
#[napi(catch_unwind)]
#[must_use]
pub fn replies_take(replies: &External<Replies>) -> Buffer {
    let mut caller = lock(&replies.caller);
    caller.woken = false;
    std::mem::take(&mut caller.records).into()
}

impl Replies {
    /// The reply to one call of this thread.
    pub(super) fn expect(&self, call: u32) -> Reply {
        Reply {
            caller: Some(Arc::clone(&self.caller)),
            call,
        }
    }
}

impl Reply {
    pub(super) fn answer(mut self, status: u32, bytes: &[u8]) {
        self.send(status, bytes);
    }

    /// The call has failed at its caller: nothing is answered.
    pub(super) fn forget(mut self) {
        self.caller = None;
    }

    fn send(&mut self, status: u32, bytes: &[u8]) {
        let Some(caller) = self.caller.take() else {
            return;
        };
        let mut caller = lock(&caller);
        let Caller {
            records,
            wake: Some(wake),
            woken,
        } = &mut *caller
        else {
            return;
        };
        write(records, self.call, status, bytes);
        *woken = *woken || wake.call((), ThreadsafeFunctionCallMode::NonBlocking) == Status::Ok;
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.send(REPLY_CLOSED, &[]);
    }
}
