//! A loop of any thread of this process, as its callers have it.

use std::sync::Arc;

use ioloop::Result;
use ioloop::remote::PostError;
use napi::bindgen_prelude::{Either, External};
use napi_derive::napi;
use rustix::io::Errno;

use super::Command;
use super::registry::Exposed;
use super::replies::Replies;
use crate::errno::{CLOSED, or_errno};
use crate::glue::glue;

/// A loop to post to. JavaScript holds it as an external value.
pub struct RemoteLoop {
    exposed: Arc<Exposed>,
}

/// The loop of an id of `loopRemote`; `-EBADF` if it is closed.
#[napi(catch_unwind)]
#[must_use]
pub fn remote_open(id: u32) -> Either<External<RemoteLoop>, i32> {
    match Exposed::find(id) {
        Some(exposed) => Either::A(External::new(RemoteLoop { exposed })),
        None => Either::B(CLOSED),
    }
}

/// The index of the function of this name; `-EBADF` if the loop is closed, `-ENOENT` if it exposes no
/// such function.
#[napi(catch_unwind)]
pub fn remote_resolve(remote: &External<RemoteLoop>, name: String) -> i32 {
    or_errno(|| {
        let RemoteLoop { exposed } = &**remote;
        if exposed.handle.is_closed() {
            return Err(Errno::BADF.into());
        }
        let function = exposed.function(&name).ok_or(Errno::NOENT)?;
        Ok(function as usize)
    })
}

glue! {
    "`remotePost(remote, function, arguments, length)`: posts a call without a reply. `-EBADF` if"
    "the loop is closed, `-EAGAIN` if its inbox is full."
    remotePost(remote: &External<RemoteLoop>, function: u32, arguments: &[u8], length: u32) {
        remote.post(Command {
            function,
            reply: None,
            arguments: copy(arguments, length)?,
        })
    }
}

glue! {
    "`remoteCall(remote, function, arguments, length, replies, call)`: posts a call whose reply has"
    "the number `call`. Errors are as of `remotePost`; no reply comes then."
    remoteCall(
        remote: &External<RemoteLoop>,
        function: u32,
        arguments: &[u8],
        length: u32,
        replies: &External<Replies>,
        call: u32,
    ) {
        let arguments = copy(arguments, length)?;
        remote.post(Command {
            function,
            reply: Some(replies.expect(call)),
            arguments,
        })
    }
}

impl RemoteLoop {
    fn post(&self, command: Command) -> Result<()> {
        self.exposed.handle.post(command).map_err(|refused| {
            let errno = match refused {
                PostError::Closed(_) => Errno::BADF,
                PostError::Full(_) => Errno::AGAIN,
            };
            if let Some(reply) = refused.into_command().reply {
                reply.forget();
            }
            errno.into()
        })
    }
}

fn copy(arguments: &[u8], length: u32) -> Result<Box<[u8]>> {
    Ok(arguments.get(..length as usize).ok_or(Errno::INVAL)?.into())
}
