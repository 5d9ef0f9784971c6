//! The loop's side: it exposes names, takes the commands that its turns have collected, and replies.

use std::collections::HashMap;

use ioloop::Result;
use napi::bindgen_prelude::{Buffer, External};
use napi_derive::napi;
use rustix::io::Errno;

use super::registry::Registration;
use super::replies::Reply;
use super::{Command, write};
use crate::glue::glue;
use crate::native_loop::{NativeLoop, Open};

/// What a loop has for its callers.
#[derive(Default)]
pub(crate) struct Owner {
    /// Made when the loop is first asked for its id.
    registration: Option<Registration>,
    /// Collected by turns, and not taken.
    collected: Vec<Command>,
    /// Calls that run, by number.
    replies: HashMap<u32, Reply>,
    last_reply: u32,
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

/// The commands that turns have collected, as records (`remote/mod.rs`). Empty if the loop is closed.
#[napi(catch_unwind)]
pub fn loop_take_posts(handle: &External<NativeLoop>) -> Buffer {
    let taken = handle.with(|open| Ok(open.owner.take()));
    taken.unwrap_or_default().into()
}

/// Refuses posts from now on. Returns the commands without a reply that were accepted before; calls
/// get [`REPLY_CLOSED`](super::replies::REPLY_CLOSED).
#[napi(catch_unwind)]
pub fn loop_close_posts(handle: &External<NativeLoop>) -> Buffer {
    let taken = handle.with(|open| {
        let left = open.core.close_handles();
        let Owner {
            registration,
            collected,
            replies,
            ..
        } = &mut open.owner;
        *registration = None;
        replies.clear();
        collected.extend(left);
        collected.retain(|command| command.reply.is_none());
        Ok(open.owner.take())
    });
    taken.unwrap_or_default().into()
}

/// The posts that a loop has accepted, and the wake-ups that they have caused.
#[napi(catch_unwind)]
pub fn loop_posted(handle: &External<NativeLoop>) -> Vec<i64> {
    let counts = handle.with(|open| Ok(open.core.posted()));
    let counts = counts.unwrap_or_default();
    vec![counts.posts.cast_signed(), counts.wakes.cast_signed()]
}

glue! {
    "`loopReply(loop, reply, status, bytes, length)`: answers a command that `loopTakePosts` has"
    "given this number. `-EBADF` if the loop is closed, which has answered it."
    loopReply(
        handle: &External<NativeLoop>,
        reply: u32,
        status: u32,
        bytes: &[u8],
        length: u32,
    ) {
        let bytes = bytes.get(..length as usize).ok_or(Errno::INVAL)?;
        handle.with(|open| {
            if let Some(reply) = open.owner.replies.remove(&reply) {
                reply.answer(status, bytes);
            }
            Ok(())
        })
    }
}

impl Owner {
    /// Keeps what a turn has collected. Whether there is something to take.
    pub(crate) fn collect(&mut self, commands: &mut Vec<Command>) -> bool {
        self.collected.append(commands);
        !self.collected.is_empty()
    }

    fn take(&mut self) -> Vec<u8> {
        let mut records = Vec::new();
        for command in self.collected.drain(..) {
            let reply = command.reply.map_or(0, |reply| {
                self.last_reply = self.last_reply.checked_add(1).unwrap_or(1);
                self.replies.insert(self.last_reply, reply);
                self.last_reply
            });
            write(&mut records, command.function, reply, &command.arguments);
        }
        records
    }
}

/// The registration of a loop, made at the first call.
fn register(open: &mut Open) -> Result<&Registration> {
    let Open { core, owner, .. } = open;
    if owner.registration.is_none() {
        owner.registration = Some(Registration::new(core.handle()?));
    }
    owner.registration.as_ref().ok_or(Errno::BADF.into())
}
