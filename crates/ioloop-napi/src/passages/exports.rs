//! The functions of passages, which `ts/boundary/passages.ts` calls.

use ioloop::Error;
use ioloop::net::Passage;
use napi::bindgen_prelude::External;
use rustix::io::Errno;

use super::{Entry, Share, State};
use crate::fd::JsFd;
use crate::glue::glue;
use crate::native_loop::NativeLoop;

glue! {
    "`passageBegin(loop, source, sink, pipe, held, readable, budget, least)`: moves bytes from the"
    "registration `source` to the registration `sink`, both edge-triggered sockets, through the pipe with"
    "these ends. All passages share `budget` bytes of a turn, about, of which each has `least`. The pipe"
    "has `held` bytes, for which the sink had no room. The source was drained if `readable` is 0. If both"
    "can go on, the next turn does. The number of the passage, or a negative errno."
    passageBegin(
        handle: &External<NativeLoop>,
        source: u32,
        sink: u32,
        pipe: &mut [i32],
        held: u32,
        readable: u32,
        budget: u32,
        least: u32,
    ) {
        let [reader, writer] = pipe else {
            return Err(Errno::INVAL.into());
        };
        let pipe = (JsFd::new(*writer)?, JsFd::new(*reader)?);
        handle.with(|open| {
            let reactor = open.core.reactor();
            let token = |index| reactor.token_at(index).ok_or(Error::Unknown);
            open.passages.begin(Entry {
                source: token(source)?,
                sink: token(sink)?,
                pipe,
                share: Share {
                    budget: budget as usize,
                    least: (least as usize).max(1),
                },
                passage: Passage::new(held as usize, readable != 0),
                state: if held == 0 && readable != 0 {
                    State::Runnable
                } else {
                    State::Waiting
                },
            })
        })
    }
}

glue! {
    "`passageReport(loop, passage, isEnd, report)`: writes to `report` the bytes that have left the source,"
    "and those that the sink has taken, since the last report; the bytes in the pipe; the negative errnos"
    "of the source and of the sink after these bytes, or 0, which are not reported again. With `isEnd`,"
    "which is not 0 then, the passage ends, and everything belongs to the caller again. 0, or a negative"
    "errno: `-EBADF` if the loop is closed."
    passageReport(handle: &External<NativeLoop>, passage: u32, is_end: u32, report: &mut [f64]) {
        let [taken, sent, held, failure, sink_failure] = report else {
            return Err(Errno::INVAL.into());
        };
        let place = passage as usize;
        let found = handle.with(|open| {
            if is_end != 0 {
                return open.passages.end(place);
            }
            let entry = open.passages.entries.get_mut(place).and_then(Option::as_mut);
            Ok(entry.ok_or(Error::Unknown)?.passage.report())
        })?;
        *taken = count(found.taken);
        *sent = count(found.sent);
        *held = count(found.held);
        *failure = negative(found.failure);
        *sink_failure = negative(found.sink_failure);
        Ok(())
    }
}

glue! {
    "`passageHeed(loop, index)`: reports room of the registration `index`, which is the source of a"
    "passage: otherwise its owner has nothing that waits for room. 0, or a negative errno."
    passageHeed(handle: &External<NativeLoop>, index: u32) {
        handle.with(|open| {
            let token = open.core.reactor().token_at(index).ok_or(Error::Unknown)?;
            let roles = open.passages.by_token.get_mut(&token);
            roles.ok_or(Error::Unknown)?.heeds = true;
            Ok(())
        })
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a number of bytes, far below 2^53"
)]
fn count(bytes: usize) -> f64 {
    bytes as f64
}

fn negative(failure: Option<Errno>) -> f64 {
    failure.map_or(0.0, |error| -f64::from(error.raw_os_error()))
}
