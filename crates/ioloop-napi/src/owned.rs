//! The descriptors that JavaScript owns, by thread, so that they are closed with its environment.
//!
//! JavaScript has their numbers and closes them by `Socket.close()`. A terminated worker does not
//! collect its garbage and closes nothing; the hook of [`close_at_end`] does. The environment of the
//! main thread ends with the process, and is not tracked.
//!
//! The hook closes a number only if it is still the file that was opened: other code may have closed
//! it (`fs.closeSync`), and another thread may have reused it. If another thread has adopted the
//! descriptor (`Socket.fromFd`), that thread closes it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::os::fd::{AsFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread::{self, ThreadId};

use ioloop::reactor::Identity;
use napi::{Env, Result};
use napi_derive::napi;

use crate::detached;
use crate::fd::JsFd;

thread_local! {
    /// The open descriptors of this thread, which has one environment; `None` if not tracked.
    static OPEN: RefCell<Option<HashMap<RawFd, Identity>>> = const { RefCell::new(None) };
}

/// The open descriptors that were adopted, each with the thread that adopted it last.
static ADOPTED: LazyLock<Mutex<HashMap<RawFd, (Identity, ThreadId)>>> =
    LazyLock::new(Mutex::default);

/// Closes the descriptors of this environment when it ends, and what it has detached. For workers. A
/// second copy of the package in the environment may call it again.
///
/// # Errors
///
/// Of Node-API, if memory is short.
#[napi(catch_unwind)]
pub fn close_at_end(env: Env) -> Result<()> {
    if OPEN.with_borrow(Option::is_some) {
        return Ok(());
    }
    OPEN.set(Some(HashMap::new()));
    env.add_env_cleanup_hook((), |()| {
        for (number, identity) in OPEN.take().unwrap_or_default() {
            let Ok(fd) = JsFd::new(number) else {
                continue;
            };
            if identify(fd) == Some(identity) && !is_adopted_elsewhere(fd, identity) {
                close(fd);
            }
        }
        detached::close_of_thread();
    })?;
    Ok(())
}

/// Hands a descriptor over to JavaScript.
pub(crate) fn give(fd: OwnedFd) -> RawFd {
    let number = fd.into_raw_fd();
    if let Ok(fd) = JsFd::new(number) {
        remember(fd);
    }
    number
}

/// Tracks a descriptor that was opened elsewhere, perhaps in another thread.
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
    drop(take(fd));
}

/// Takes a descriptor over from JavaScript, which has given it up.
pub(crate) fn take(fd: JsFd) -> OwnedFd {
    OPEN.with_borrow_mut(|open| open.as_mut().map(|open| open.remove(&fd.number())));
    adopted(|adopted| adopted.remove(&fd.number()));
    fd.into_owned()
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
