//! Descriptors that were opened here for JavaScript.
//!
//! They are numbers there, closed by `Socket.close()`. A worker that is terminated closes nothing
//! by itself, as its garbage is not collected; what it had open is closed with its environment.
//! The main thread's environment ends with the process, and nothing is remembered for it.
//!
//! A number may have been closed in another way (`fs.closeSync`) and be another file's by then,
//! in another thread: it is closed only if it is still the file that was opened. Nor is it closed
//! when another thread has adopted it since (`Socket.fromFd`): it is that thread's then.

use std::cell::RefCell;
use std::collections::HashMap;
use std::os::fd::{AsFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread::{self, ThreadId};

use ioloop::reactor::Identity;
use napi::{Env, Result};
use napi_derive::napi;

use crate::fd::JsFd;

thread_local! {
    /// What the environment of this thread has open; `None` when nobody asks. A thread of Node's
    /// has one environment.
    static OPEN: RefCell<Option<HashMap<RawFd, Identity>>> = const { RefCell::new(None) };
}

/// Who adopted a descriptor last, of those that were adopted and are not closed.
static ADOPTED: LazyLock<Mutex<HashMap<RawFd, (Identity, ThreadId)>>> =
    LazyLock::new(Mutex::default);

/// Closes, when this environment ends, what was opened here and is open still. For workers.
///
/// # Errors
///
/// Of Node-API, when it runs out of memory.
#[napi(catch_unwind)]
pub fn close_at_end(env: Env) -> Result<()> {
    OPEN.set(Some(HashMap::new()));
    env.add_env_cleanup_hook((), |()| {
        for (number, identity) in OPEN.take().unwrap_or_default() {
            let Some(fd) = JsFd::adopt(number) else {
                continue;
            };
            if identify(fd) == Some(identity) && !is_adopted_elsewhere(fd, identity) {
                close(fd);
            }
        }
    })?;
    Ok(())
}

/// Gives a descriptor to JavaScript.
pub(crate) fn give(fd: OwnedFd) -> RawFd {
    let number = fd.into_raw_fd();
    if let Some(fd) = JsFd::adopt(number) {
        remember(fd);
    }
    number
}

/// JavaScript has taken over a descriptor that was opened elsewhere, maybe in another thread.
pub(crate) fn adopt(fd: JsFd) {
    if let Some(identity) = identify(fd) {
        adopted(|adopted| adopted.insert(fd.number(), (identity, thread::current().id())));
    }
    remember(fd);
}

fn remember(fd: JsFd) {
    OPEN.with_borrow_mut(|open| {
        let Some(open) = open else { return };
        if let Some(identity) = identify(fd) {
            open.insert(fd.number(), identity);
        }
    });
}

/// Closes a descriptor that JavaScript has given up.
pub(crate) fn close(fd: JsFd) {
    OPEN.with_borrow_mut(|open| open.as_mut().map(|open| open.remove(&fd.number())));
    adopted(|adopted| adopted.remove(&fd.number()));
    drop(fd.into_owned());
}

fn is_adopted_elsewhere(fd: JsFd, identity: Identity) -> bool {
    let owner = adopted(|adopted| adopted.get(&fd.number()).copied());
    owner.is_some_and(|(adopted, thread)| adopted == identity && thread != thread::current().id())
}

fn adopted<T>(visit: impl FnOnce(&mut HashMap<RawFd, (Identity, ThreadId)>) -> T) -> T {
    // Nothing panics while it is locked.
    visit(&mut ADOPTED.lock().unwrap_or_else(PoisonError::into_inner))
}

fn identify(fd: JsFd) -> Option<Identity> {
    Identity::of(fd.as_fd()).ok()
}
