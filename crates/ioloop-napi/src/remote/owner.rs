//! The loop's side: it exposes names, takes the posts that its turns have collected, and replies.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ioloop::{Lane, Result};
use napi::bindgen_prelude::{Buffer, Env, External, Function};
use napi_derive::napi;
use rustix::io::Errno;

use super::padded;
use super::registry::{Link, Registration};
use super::replies::REPLY_CLOSED;
use super::wait::wait;
use crate::errno::{CLOSED, Failure};
use crate::glue::glue;
use crate::native_loop::{NativeLoop, Open};
use crate::uv::short_wait::{Awaited, ShortWait};

/// What a loop has for its callers.
pub(crate) struct Owner {
    /// Most posts of one lane that wait for a turn.
    posts: u32,
    /// Made when the loop is first asked for its id.
    registration: Option<Registration>,
    lanes: Rc<RefCell<Lanes>>,
    last_lane: u32,
    /// After replies: a caller often has the next call at hand.
    wait: Option<ShortWait>,
    /// Collected by turns, and not taken: groups.
    collected: Vec<u8>,
    /// Of lanes that have ended.
    ended: Counts,
}

/// The lanes of a loop.
#[derive(Default)]
struct Lanes {
    /// By number. A lane that was opened earlier has a smaller one: the calls of a thread that has
    /// opened a second lane, after the first was garbage, stay in order.
    by_number: BTreeMap<u32, Arc<Link>>,
    /// A wait has found posts, for which no wake-up comes.
    is_awaited: bool,
}

/// Of posts.
#[derive(Clone, Copy, Default)]
struct Counts {
    accepted: u64,
    refused: u64,
}

/// The id of a loop, by which other threads open it; a negative errno: `-EBADF` if it is closed,
/// `-EMFILE` and the like at the first call.
#[napi(catch_unwind)]
pub fn loop_remote(handle: &External<NativeLoop>) -> i32 {
    handle.run(|open| Ok(register(open)?.id as usize))
}

/// Lets other threads resolve `name` to `index`, a number of JavaScript's. 0 or a negative errno,
/// as `loopRemote`.
#[napi(catch_unwind)]
pub fn loop_expose(handle: &External<NativeLoop>, name: String, index: u32) -> i32 {
    handle.run(|open| {
        register(open)?.exposed.insert(name, index);
        Ok(())
    })
}

/// Other threads do not find `name` any more.
#[napi(catch_unwind)]
pub fn loop_unexpose(handle: &External<NativeLoop>, name: String) -> i32 {
    handle.run(|open| {
        register(open)?.exposed.remove(&name);
        Ok(())
    })
}

/// The posts that turns have collected, in groups (`remote/mod.rs`), if `loopTakePosts` has no room
/// for them. Empty if the loop is closed.
#[napi(catch_unwind)]
pub fn loop_take_many_posts(handle: &External<NativeLoop>) -> Buffer {
    let taken = handle.with(|open| Ok(std::mem::take(&mut open.owner.collected)));
    taken.unwrap_or_default().into()
}

/// Refuses posts from now on, and ends the lanes. Returns the posts that were accepted before, calls
/// among them, whose callers get [`REPLY_CLOSED`].
#[napi(catch_unwind)]
pub fn loop_close_posts(handle: &External<NativeLoop>) -> Buffer {
    let taken = handle.with(|open| {
        open.owner.close();
        Ok(std::mem::take(&mut open.owner.collected))
    });
    taken.unwrap_or_default().into()
}

/// Posts that were accepted, those that were refused for lack of room, and the wake-ups of the loop.
#[napi(catch_unwind)]
pub fn loop_posted(handle: &External<NativeLoop>) -> Vec<i64> {
    let counted = handle.with(|open| {
        let Counts { accepted, refused } = open.owner.counts();
        Ok([accepted, refused, open.core.posted().wakes])
    });
    counted.unwrap_or_default().map(u64::cast_signed).to_vec()
}

/// Waits shortly for posts after each reply, and calls `found` when there are some: `loopTakePosts`
/// has them, and no turn collects them. JavaScript keeps `found` alive. Needs libuv. 0 or a negative
/// errno, `-EBADF` if the loop is closed, also by a hook of `async_hooks` within this call.
#[napi(catch_unwind)]
pub fn loop_await_posts(
    handle: &External<NativeLoop>,
    env: Env,
    found: Function<'_, (), ()>,
) -> napi::Result<i32> {
    let Ok(lanes) = handle.with(|open| Ok(Rc::clone(&open.owner.lanes))) else {
        return Ok(CLOSED);
    };
    match ShortWait::new(env, &found, lanes) {
        Ok(wait) => Ok(handle.run(|open| {
            open.owner.wait = Some(wait);
            Ok(())
        })),
        Err(Failure::Errno(errno)) => Ok(-errno),
        Err(Failure::Other(error)) => Err(error),
    }
}

glue! {
    "`loopTakePosts(loop, room)`: copies the posts that turns and waits have collected to `room`, in"
    "groups (`remote/mod.rs`). The number of bytes; `-ENOSPC` if `room` is too small for all of them."
    loopTakePosts(handle: &External<NativeLoop>, room: &mut [u8]) {
        handle.with(|open| {
            open.owner.collect(false);
            let collected = &mut open.owner.collected;
            let length = collected.len();
            room.get_mut(..length).ok_or(Errno::NOSPC)?.copy_from_slice(collected);
            collected.clear();
            Ok(length)
        })
    }
}

glue! {
    "`loopReply(loop, replies, length)`: sends replies, of which each is the number of its lane and"
    "a record of which the bytes are padded alone (`remote/mod.rs`). `-EBADF` if the loop is closed: its callers have been answered."
    loopReply(handle: &External<NativeLoop>, replies: &[u8], length: u32) {
        let replies = replies.get(..length as usize).ok_or(Errno::INVAL)?;
        handle.with(|open| open.owner.reply(replies))
    }
}

impl Owner {
    pub(crate) fn new(posts: u32) -> Self {
        Self {
            posts,
            registration: None,
            lanes: Rc::default(),
            last_lane: 0,
            wait: None,
            collected: Vec::new(),
            ended: Counts::default(),
        }
    }

    /// Collects what was posted since the last turn, if the loop was woken for it. Whether there is
    /// something to take.
    pub(crate) fn collect(&mut self, is_woken: bool) -> bool {
        let lanes = &mut *self.lanes.borrow_mut();
        if !std::mem::take(&mut lanes.is_awaited) && !is_woken {
            return !self.collected.is_empty();
        }
        let Some(registration) = &self.registration else {
            return false;
        };
        for link in registration.exposed.take_opened() {
            self.last_lane += 1;
            lanes.by_number.insert(self.last_lane, link);
        }
        let Self {
            collected, ended, ..
        } = self;
        lanes.by_number.retain(|number, link| {
            // Asked before the drain: what it has posted by then is found.
            let has_ended = link.has_ended();
            group(collected, *number, |records| link.lane.drain(records));
            if has_ended {
                ended.add(link);
            }
            !has_ended
        });
        !collected.is_empty()
    }

    /// Refuses posts from now on, collects what was accepted, and ends the calls.
    fn close(&mut self) {
        let Some(registration) = self.registration.take() else {
            return;
        };
        let mut lanes = std::mem::take(&mut *self.lanes.borrow_mut());
        for link in registration.exposed.close() {
            self.last_lane += 1;
            lanes.by_number.insert(self.last_lane, link);
        }
        for (number, link) in lanes.by_number {
            group(&mut self.collected, number, |records| {
                link.lane.close(records);
            });
            self.ended.add(&link);
            link.caller.send(link.number, REPLY_CLOSED, &[]);
        }
    }

    fn counts(&self) -> Counts {
        let mut counts = self.ended;
        for link in self.lanes.borrow().by_number.values() {
            counts.add(link);
        }
        counts
    }

    fn reply(&self, replies: &[u8]) -> Result<()> {
        self.send(replies)?;
        if let Some(wait) = &self.wait {
            wait.expect();
        }
        Ok(())
    }

    fn send(&self, mut replies: &[u8]) -> Result<()> {
        let lanes = self.lanes.borrow();
        while let Some(([lane, first, second, length], rest)) = words(replies) {
            let length = length as usize;
            let bytes = rest.get(..length).ok_or(Errno::INVAL)?;
            if let Some(link) = lanes.by_number.get(&lane) {
                link.caller.send(first, second, bytes);
            }
            replies = rest.get(padded(length)..).ok_or(Errno::INVAL)?;
        }
        Ok(())
    }
}

/// For posts of the lanes that the loop has. New lanes wake it.
impl Awaited for Rc<RefCell<Lanes>> {
    fn wait(&self, budget: Duration) -> bool {
        let Lanes {
            by_number,
            is_awaited,
        } = &mut *self.borrow_mut();
        let lanes = || by_number.values().map(|link| &link.lane);
        let mut are_quiet = true;
        for lane in lanes() {
            // If a wake-up is outstanding, a turn comes, and it arms all.
            are_quiet &= lane.disarm();
        }
        let mut has_posts = !are_quiet || wait(budget, || lanes().any(Lane::has_news));
        if !has_posts {
            for lane in lanes() {
                lane.arm();
            }
            has_posts = lanes().any(|lane| !lane.is_empty());
        }
        *is_awaited = has_posts;
        has_posts
    }
}

impl Drop for Owner {
    /// The thread of the loop has ended.
    fn drop(&mut self) {
        self.close();
    }
}

impl Counts {
    fn add(&mut self, link: &Link) {
        self.accepted += link.lane.accepted();
        self.refused += u64::from(link.lane.refused());
    }
}

/// Appends the records of a lane, after their header; nothing if there are none.
fn group(groups: &mut Vec<u8>, number: u32, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = groups.len();
    groups.extend_from_slice(&number.to_le_bytes());
    groups.extend_from_slice(&[0; 4]);
    let first = groups.len();
    fill(groups);
    if groups.len() == first {
        groups.truncate(start);
        return;
    }
    let length = u32::try_from(groups.len() - first).unwrap_or(u32::MAX);
    groups[start + 4..first].copy_from_slice(&length.to_le_bytes());
}

/// The first four words, and the bytes after them.
fn words(bytes: &[u8]) -> Option<([u32; 4], &[u8])> {
    let (first, rest) = bytes.split_first_chunk::<16>()?;
    let (words, _) = first.as_chunks();
    let mut result = [0; 4];
    for (word, bytes) in result.iter_mut().zip(words) {
        *word = u32::from_le_bytes(*bytes);
    }
    Some((result, rest))
}

/// The registration of a loop, made at the first call.
fn register(open: &mut Open) -> Result<&Registration> {
    let Open { core, owner, .. } = open;
    if owner.registration.is_none() {
        owner.registration = Some(Registration::new(core.handle()?, owner.posts));
    }
    owner.registration.as_ref().ok_or(Errno::BADF.into())
}
