//! Functions of a loop that other threads call: commands in, replies back.
//!
//! | Thread | File | |
//! | --- | --- | --- |
//! | any | `registry.rs` | the loops of this process that others may call, by id |
//! | the caller's | `post.rs` | posts commands to a loop |
//! | the loop's | `owner.rs` | exposes names, takes commands, replies |
//! | the caller's | `replies.rs` | what its calls have returned |
//!
//! A command that is dropped without a reply rejects its call: the loop was closed, or its thread has
//! ended.
//!
//! # Layouts
//!
//! Both are lists of records, of a header of three little-endian `u32` and of bytes that only
//! `ts/boundary/values.ts` reads. `ts/boundary/records.ts` reads the headers.
//!
//! | Word | Of a command | Of a reply |
//! | --- | --- | --- |
//! | 0 | index of the function | number of the call |
//! | 1 | number of the reply, or 0 for none | status |
//! | 2 | bytes that follow | bytes that follow |

mod owner;
mod post;
mod registry;
mod replies;

pub(crate) use owner::Owner;
use replies::Reply;

/// A call of a function of the loop.
pub(crate) struct Command {
    /// Index of the function among those that the loop has exposed.
    function: u32,
    /// Present if the caller waits for the result.
    reply: Option<Reply>,
    arguments: Box<[u8]>,
}

/// Appends a record.
fn write(bytes: &mut Vec<u8>, first: u32, second: u32, rest: &[u8]) {
    let length = u32::try_from(rest.len()).unwrap_or(u32::MAX);
    for word in [first, second, length] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.extend_from_slice(rest);
}
