//! The crossings of a turn: submissions in, completions and received bytes out.
//!
//! | Direction | Array | Layout |
//! | --- | --- | --- |
//! | in | submissions, `Float64Array` | `submit.rs` |
//! | out | completions, `Int32Array` | `complete.rs` |
//! | in | modes, `Uint8Array`, by index of the registration | `io/mode.rs` |
//! | out | the receive block, `Uint8Array` | `receive.rs` |

mod complete;
#[cfg_attr(selector = "none", path = "no_receive.rs")]
mod receive;
mod submit;

use std::time::Duration;

use ioloop::event_loop::HAS_ALARM;
use ioloop::{Error, Result, errno};
use napi::bindgen_prelude::External;
use napi_derive::napi;

use crate::driver::Driver;
use crate::glue::glue;
use crate::native_loop::{NativeLoop, Open};
use complete::complete;
use receive::Room;
use submit::Submitted;

glue! {
    "`loopTurn(loop, now, submissions, length, completions, modes, block, used, receives)`: one turn"
    "without waiting, at `now` seconds."
    ""
    "Takes the first `length` words of `submissions`. Writes to `completions` what is due and"
    "ready. Receives for the streams whose byte in `modes` has `MODE_RECEIVE`, to `block` from"
    "`used` on; for at most `receives` of them: `loopReceive` follows for the others. A sum of"
    "`TURN_` bits, or a negative errno: `-EBADF` if the loop is closed, `STALE_ARRAY`. If a system"
    "call fails, its errno is among the completions, beside what was collected before."
    loopTurn(
        handle: &External<NativeLoop>,
        now: f64,
        submissions: &[f64],
        length: u32,
        completions: &mut [i32],
        modes: &[u8],
        block: &mut [u8],
        used: u32,
        receives: u32,
    ) {
        let submitted = Submitted::new(submissions, length)?;
        if completions.is_empty() {
            return Err(Error::Invalid);
        }
        let room = Room::new(modes, block, used);
        handle.with(|open| turn(open, now, submitted, room, receives, completions))
    }
}

glue! {
    "`loopReceive(loop, requests, count, modes, block, used)`: receives for streams that a turn has"
    "reported as `RECEIVED_LATER`."
    ""
    "`requests` has two words for each of them: its index, and the result, which is written. An index"
    "that is -1, or whose registration is stale, gets `NOT_RECEIVED`. The bytes received from all, or a"
    "negative errno: `-EBADF` if the loop is closed."
    loopReceive(
        handle: &External<NativeLoop>,
        requests: &mut [i32],
        count: u32,
        modes: &[u8],
        block: &mut [u8],
        used: u32,
    ) {
        let room = Room::new(modes, block, used);
        let (requests, _) = requests.as_chunks_mut::<2>();
        let count = requests.len().min(count as usize);
        handle.with(|open| {
            let mut receiver = room.at_most(open.receive_bytes, count);
            for [index, result] in &mut requests[..count] {
                *result = receiver.receive_at(&open.core, *index);
            }
            Ok(receiver.received())
        })
    }
}

/// Result of a crossing: an array is shorter than it was, and nothing was taken. Only of a module of
/// WebAssembly, whose memory has grown while the arguments were read.
#[napi]
pub const STALE_ARRAY: i32 = -errno::INVAL;

/// Takes the first `length` words of `submissions`, outside of a turn. Sets no alarm. 0, or a negative
/// errno: `-EBADF` if the loop is closed, [`STALE_ARRAY`].
#[napi(catch_unwind)]
pub fn loop_submit(handle: &External<NativeLoop>, submissions: &[f64], length: u32) -> i32 {
    handle.run(|open| {
        Submitted::new(submissions, length)?.apply(open);
        Ok(())
    })
}

/// Takes submissions as `loopSubmit` does and prepares to wait: sets the alarm of the selector, and
/// the driver watches again. The seconds after which the host has to wake the loop, or Infinity; NaN in
/// place of [`STALE_ARRAY`].
///
/// If `paused`, nothing is watched until the next call without it: for a selector that is readable
/// and cannot be collected. The host has to wake the loop after these seconds at the latest.
#[napi(catch_unwind)]
pub fn loop_sleep(
    handle: &External<NativeLoop>,
    now: f64,
    submissions: &[f64],
    length: u32,
    paused: bool,
) -> f64 {
    let Ok(submitted) = Submitted::new(submissions, length) else {
        return f64::NAN;
    };
    let wait = handle.with(|open| Ok(sleep(open, now, submitted, paused)));
    wait.unwrap_or(f64::INFINITY)
}

/// Result of a turn: a budget has left work for the next one, which need not wait.
#[napi]
pub const TURN_MORE: i32 = 1;

/// Result of a turn: the selector wakes at the next deadline among the timers that are armed.
#[napi]
pub const TURN_ALARMED: i32 = 2;

/// Result of a turn: other threads have posted, and `loopTakePosts` has what.
#[napi]
pub const TURN_POSTS: i32 = 4;

fn turn(
    open: &mut Open,
    now: f64,
    submitted: Submitted<'_>,
    room: Room<'_>,
    sources: u32,
    completions: &mut [i32],
) -> Result<i32> {
    submitted.apply(open);
    let Open {
        core,
        timeline,
        turn,
        ..
    } = open;
    let collected = core.turn(timeline.tick(now), Some(Duration::ZERO), turn);
    let errno = collected.map_or_else(|error| error.errno(), |()| 0);
    let is_cut = !open.passages.is_empty() && open.run_passages();
    let Open {
        driver,
        core,
        receive_bytes,
        turn,
        owner,
        ..
    } = open;
    if !turn.ready.is_empty()
        && let Some(driver) = &*driver
    {
        driver.expect_events();
    }
    let has_posts = owner.collect(turn.woken);
    let receiver = room.at_most(*receive_bytes, sources as usize);
    complete(core, turn, errno, receiver, completions)?;
    if core.reactor().needs_rebuild()
        && let Some(driver) = driver
    {
        // If descriptors are short, the old selector stays, and a later turn tries again.
        let _kept = core.rebuild(|selector| driver.move_to(selector));
    }
    let bit = |is_set, bit| if is_set { bit } else { 0 };
    let is_left = is_cut && !driver.as_ref().is_some_and(Driver::look_again);
    let has_more = turn.more || is_left || core.reactor().has_stale();
    Ok(bit(has_more, TURN_MORE) | bit(turn.alarmed, TURN_ALARMED) | bit(has_posts, TURN_POSTS))
}

fn sleep(open: &mut Open, now: f64, submitted: Submitted<'_>, paused: bool) -> f64 {
    submitted.apply(open);
    let tick = open.timeline.tick(now);
    let alarmed = HAS_ALARM && !paused && open.core.set_alarm(tick).is_ok();
    if let Some(driver) = &mut open.driver {
        let reactor = open.core.reactor_mut();
        if reactor.wait_set_changed() {
            // Moving fails only for drivers of a descriptor, which does not change.
            let _moved = driver.move_to(reactor.wait_set());
        }
        let prepare = if paused { Driver::park } else { Driver::rearm };
        prepare(driver);
    }
    match open.core.next_wake(tick) {
        Some(wake) if !alarmed => open.timeline.seconds(wake) - now,
        _ => f64::INFINITY,
    }
}
