//! Descriptors that were opened here for JavaScript.
//!
//! They are numbers there, closed by `Socket.close()`. A worker that is terminated closes nothing
//! by itself, as its garbage is not collected; what it had open is closed with its environment.

use std::cell::RefCell;
use std::collections::HashSet;
use std::os::fd::{IntoRawFd, OwnedFd, RawFd};

use napi::{Env, Result};

use crate::fd::JsFd;

thread_local! {
    /// What the environment of this thread has open: a thread of Node's has one environment.
    static OPEN: RefCell<HashSet<RawFd>> = RefCell::default();
}

/// Gives a descriptor to JavaScript.
pub(crate) fn give(fd: OwnedFd) -> RawFd {
    let number = fd.into_raw_fd();
    adopt(number);
    number
}

/// JavaScript has taken over a descriptor that somebody else had opened.
pub(crate) fn adopt(fd: RawFd) {
    OPEN.with_borrow_mut(|open| open.insert(fd));
}

/// Closes a descriptor that JavaScript has given up.
pub(crate) fn close(fd: JsFd) {
    OPEN.with_borrow_mut(|open| open.remove(&fd.number()));
    drop(fd.into_owned());
}

/// Closes what is left when the environment ends.
pub(crate) fn close_with(env: Env) -> Result<()> {
    env.add_env_cleanup_hook((), |()| {
        for fd in OPEN.take() {
            if let Some(fd) = JsFd::adopt(fd) {
                drop(fd.into_owned());
            }
        }
    })?;
    Ok(())
}
