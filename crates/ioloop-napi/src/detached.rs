//! The descriptors that one thread has detached and no thread has attached yet.
//!
//! Each has an id, which is not used again, and belongs to a table of the process:
//!
//! | State of an id | The descriptor belongs to | Next |
//! | --- | --- | --- |
//! | detached | the table | attached; closed: the thread that detached it has ended |
//! | attached | the thread that attached it | detached: it was returned |
//! | closed | | |
//!
//! The transitions are made under one lock: of several threads that attach an id, one gets the
//! descriptor. A thread ends between two calls of JavaScript's, so each descriptor is at any time
//! either in this table or in that of `owned.rs`, which closes those of a thread that ends.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::os::fd::OwnedFd;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread::{self, ThreadId};

use ioloop::{Result, net};
use napi::bindgen_prelude::{Buffer, Either};
use napi_derive::napi;
use rustix::io::Errno;

use crate::errno::{Value, or_errno};
use crate::fd::JsFd;
use crate::owned;

/// A descriptor in the table, and what goes with it.
struct Detached {
    fd: OwnedFd,
    /// The thread with whose end it is closed.
    sender: ThreadId,
    contents: Contents,
}

/// Bytes that are JavaScript's.
struct Contents {
    state: Vec<u8>,
    unread: Vec<u8>,
}

#[derive(Default)]
struct Table {
    last_id: u64,
    detached: HashMap<u64, Detached>,
    /// The latest ids in state closed, at most [`MOST_CLOSED`]. The others read as attached.
    closed: BTreeSet<u64>,
}

static TABLE: LazyLock<Mutex<Table>> = LazyLock::new(Mutex::default);

/// The secret of the keys of this process.
static SECRET: LazyLock<RandomState> = LazyLock::new(RandomState::new);

const MOST_CLOSED: usize = 65_536;

/// A descriptor that was attached.
#[napi(object)]
pub struct Attached {
    /// The descriptor, which belongs to the thread now.
    pub fd: i32,
    /// As it was passed to `detach`.
    pub state: Buffer,
    /// As it was passed to `detach`.
    pub unread: Buffer,
}

/// Moves a descriptor from this thread to the table, with `state` and `unread`. `duplicate`: a
/// duplicate of it instead, so that it can be closed. Its id and its key, or a negative errno;
/// nothing has changed then. `kind` is any number; it has to be the same in `attach`.
#[napi(catch_unwind)]
#[must_use]
pub fn detach(
    fd: i32,
    duplicate: bool,
    kind: u32,
    state: &[u8],
    unread: &[u8],
) -> Either<Vec<f64>, i32> {
    let id = JsFd::new(fd)
        .map_err(Into::into)
        .and_then(|fd| put(None, fd, duplicate, Contents::copy(state, unread)?));
    match id {
        Ok(id) => Either::A(vec![number_of(id), key_of(id, kind)]),
        Err(error) => Either::B(-error.errno()),
    }
}

/// Moves a descriptor from the table to this thread: exactly one call gets it. Otherwise one of the
/// `ATTACH_` constants.
#[napi(catch_unwind)]
#[must_use]
pub fn attach(id: f64, kind: u32, key: f64) -> Either<Attached, i32> {
    let Some(id) = id_of(id, kind, key) else {
        return Either::B(ATTACH_UNKNOWN);
    };
    let (taken, is_closed) =
        table(|table| (table.detached.remove(&id), table.closed.contains(&id)));
    match taken {
        Some(Detached { fd, contents, .. }) => Either::A(Attached {
            fd: owned::give(fd),
            state: contents.state.into(),
            unread: contents.unread.into(),
        }),
        None if is_closed => Either::B(ATTACH_CLOSED),
        None => Either::B(ATTACH_TAKEN),
    }
}

/// Result of `attach`: `detach` has not given this id with this key for this kind.
#[napi]
pub const ATTACH_UNKNOWN: i32 = -1;

/// Result of `attach`: the descriptor was attached before.
#[napi]
pub const ATTACH_TAKEN: i32 = -2;

/// Result of `attach`: the thread that detached the descriptor has ended, which has closed it.
#[napi]
pub const ATTACH_CLOSED: i32 = -3;

/// Returns a descriptor to the table, under the id by which this thread has attached it. 0, or a
/// negative errno; nothing has changed then.
#[napi(catch_unwind)]
pub fn detach_again(id: f64, kind: u32, key: f64, fd: i32, state: &[u8], unread: &[u8]) -> i32 {
    or_errno(|| {
        let id = id_of(id, kind, key).ok_or(Errno::INVAL)?;
        let contents = Contents::copy(state, unread)?;
        put(Some(id), JsFd::new(fd)?, false, contents)?;
        Ok(())
    })
}

/// The number of descriptors in the table, of all threads of the process.
#[napi(catch_unwind)]
#[must_use]
pub fn detached_count() -> i32 {
    table(|table| table.detached.len()).number()
}

/// Closes what this thread has detached and no thread has attached: the thread ends.
pub(crate) fn close_of_thread() {
    let thread = thread::current().id();
    let closed: Vec<Detached> = table(|table| {
        let of_thread = |_: &u64, detached: &mut Detached| detached.sender == thread;
        let taken: Vec<_> = table.detached.extract_if(of_thread).collect();
        table.closed.extend(taken.iter().map(|(id, _)| *id));
        while table.closed.len() > MOST_CLOSED {
            table.closed.pop_first();
        }
        taken.into_iter().map(|(_, detached)| detached).collect()
    });
    // Closing takes time: outside of the lock.
    drop(closed);
}

impl Contents {
    /// # Errors
    ///
    /// `ENOMEM`.
    fn copy(state: &[u8], unread: &[u8]) -> Result<Self> {
        let copy = |bytes: &[u8]| {
            let mut copy = Vec::new();
            copy.try_reserve_exact(bytes.len())
                .map_err(|_| Errno::NOMEM)?;
            copy.extend_from_slice(bytes);
            Ok::<_, Errno>(copy)
        };
        Ok(Self {
            state: copy(state)?,
            unread: copy(unread)?,
        })
    }
}

/// Puts a descriptor of this thread, or a duplicate of it, into the table; by default with a new id.
fn put(id: Option<u64>, fd: JsFd, duplicate: bool, contents: Contents) -> Result<u64> {
    let fd = if duplicate {
        net::duplicate(fd)?
    } else {
        owned::take(fd)
    };
    let detached = Detached {
        fd,
        sender: thread::current().id(),
        contents,
    };
    Ok(table(|table| {
        let id = id.unwrap_or_else(|| {
            table.last_id += 1;
            table.last_id
        });
        table.detached.insert(id, detached);
        id
    }))
}

/// The id of a number of JavaScript's, if the key is the one of it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::float_cmp,
    reason = "compared with the number that was given out"
)]
fn id_of(number: f64, kind: u32, key: f64) -> Option<u64> {
    let id = number as u64;
    (number_of(id) == number && key_of(id, kind) == key).then_some(id)
}

/// The key of a token. Only `detach` makes keys: an object with another key is not a token. 53 bits, as
/// JavaScript's integers have.
fn key_of(id: u64, kind: u32) -> f64 {
    number_of(SECRET.hash_one((id, kind)) >> 11)
}

/// An integer below 2^53, as JavaScript has it.
#[expect(clippy::cast_precision_loss, reason = "below 2^53")]
pub(crate) fn number_of(integer: u64) -> f64 {
    integer as f64
}

fn table<T>(visit: impl FnOnce(&mut Table) -> T) -> T {
    // Nothing panics while it is locked.
    visit(&mut TABLE.lock().unwrap_or_else(PoisonError::into_inner))
}
