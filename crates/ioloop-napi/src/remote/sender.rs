//! A loop of any thread of this process, as its callers have it: a lane of this thread to that loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ioloop::Error;
use ioloop::lane::{self, Lane, Refused};
use napi::bindgen_prelude::{Either, External};
use napi_derive::napi;
use rustix::io::Errno;

use super::header;
use super::memory::Memory;
use super::registry::{Exposed, Link};
use super::replies::Replies;
use crate::errno::{CLOSED, or_errno};
use crate::glue::glue;

/// The sending end of a lane. JavaScript holds it as an external value.
pub struct Sender {
    exposed: Arc<Exposed>,
    link: Arc<Link>,
}

/// Index of the word of a lane's memory that has its state.
#[napi]
pub const LANE_STATE: u32 = word(lane::STATE);

/// Index of the word that counts refused posts.
#[napi]
pub const LANE_REFUSED: u32 = word(lane::REFUSED);

/// Index of the word that is 1 while the next post has to call `laneWake`.
#[napi]
pub const LANE_ARMED: u32 = word(lane::ARMED);

/// Index of the word that counts the posts that the loop has taken.
#[napi]
pub const LANE_DRAINED: u32 = word(lane::DRAINED);

/// Index of the first word of the records.
#[napi]
pub const LANE_RECORDS: u32 = word(lane::RECORDS);

/// In the state, one record.
#[napi]
pub const LANE_ONE_RECORD: u32 = lane::ONE_RECORD;

/// In the state, the mask of the units in use, which are of eight bytes.
#[napi]
pub const LANE_UNITS: u32 = lane::UNITS;

/// Opens a lane of this thread to the loop of an id of `loopRemote`; `-EBADF` if it is closed.
///
/// The memory of the lane has room for `bytes` bytes of records. `number` names the lane in the
/// reply that ends it.
#[napi(catch_unwind)]
#[must_use]
pub fn lane_open(
    id: u32,
    bytes: u32,
    replies: &External<Replies>,
    number: u32,
) -> Either<External<Sender>, i32> {
    let Some(exposed) = Exposed::find(id) else {
        return Either::B(CLOSED);
    };
    let link = Arc::new(Link {
        lane: Lane::new(bytes as usize, SPILL_BYTES),
        caller: replies.caller(),
        number,
        ended: AtomicBool::new(false),
    });
    if !exposed.open(Arc::clone(&link)) {
        return Either::B(CLOSED);
    }
    Either::A(External::new(Sender { exposed, link }))
}

/// The memory of the lane (`ioloop::lane`); `null` where the host allows no memory from outside.
#[napi(catch_unwind, ts_return_type = "ArrayBuffer | null")]
#[must_use]
pub fn lane_memory(sender: &External<Sender>) -> Memory<Link> {
    Memory::new(Arc::clone(&sender.link), |link| link.lane.memory())
}

/// Most posts of the lane that wait for a turn of the loop.
#[napi(catch_unwind)]
#[must_use]
pub fn lane_limit(sender: &External<Sender>) -> u32 {
    sender.exposed.posts
}

/// Posts that the loop has taken, wrapping: for hosts where `laneMemory` is `null`.
#[napi(catch_unwind)]
#[must_use]
pub fn lane_drained(sender: &External<Sender>) -> u32 {
    sender.link.lane.drained()
}

/// The index of the function of this name; `-EBADF` if the loop is closed, `-ENOENT` if it exposes no
/// such function.
#[napi(catch_unwind)]
pub fn lane_resolve(sender: &External<Sender>, name: String) -> i32 {
    or_errno(|| {
        let Sender { exposed, .. } = &**sender;
        if exposed.is_closed() {
            return Err(Errno::BADF.into());
        }
        let function = exposed.function(&name).ok_or(Errno::NOENT)?;
        Ok(function as usize)
    })
}

glue! {
    "`laneWake(lane)`: wakes the loop for a post to the memory, unless another one has."
    laneWake(sender: &External<Sender>) {
        sender.wake();
        Ok(())
    }
}

glue! {
    "`laneFlush(lane)`: empties the memory. `-EBADF` if the loop is closed, `-EAGAIN` if too much waits"
    "for it."
    laneFlush(sender: &External<Sender>) {
        sender.link.lane.flush().map_err(errno)
    }
}

glue! {
    "`laneAppend(lane, function, call, values, length, elsewhere)`: posts a record that comes after"
    "those in the memory, and empties the memory. `elsewhere` is how many bytes more wait for it,"
    "outside of the lane. Errors are as of `laneFlush`."
    laneAppend(
        sender: &External<Sender>,
        function: u32,
        call: u32,
        values: &[u8],
        length: u32,
        elsewhere: u32,
    ) {
        let values = values.get(..length as usize).ok_or(Errno::INVAL)?;
        let header = header(function, call, values.len());
        let lane = &sender.link.lane;
        lane.append_with(&[&header, values], elsewhere as usize)
            .map_err(errno)?;
        sender.wake();
        Ok(())
    }
}

impl Sender {
    fn wake(&self) {
        if self.link.lane.takes_wake() {
            self.exposed.handle.wake();
        }
    }
}

impl Drop for Sender {
    /// A thread that was terminated may have posted and not woken the loop.
    fn drop(&mut self) {
        self.link.ended.store(true, Ordering::SeqCst);
        self.exposed.retire(&self.link);
        self.exposed.handle.wake();
    }
}

#[expect(clippy::cast_possible_truncation, reason = "below 64")]
const fn word(index: usize) -> u32 {
    index as u32
}

fn errno(refused: Refused) -> Error {
    match refused {
        Refused::Closed => Errno::BADF.into(),
        Refused::Full => Errno::AGAIN.into(),
    }
}

/// Bytes of large posts that wait for a turn; one more comes after fewer.
const SPILL_BYTES: usize = 64 << 20;
