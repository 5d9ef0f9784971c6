//! One core loop for one `IOLoop`: arguments in, errno or counts out.

use std::os::fd::AsRawFd;
use std::time::Duration;

use ioloop::clock::Timeline;
use ioloop::reactor::{Interest, Token};
use ioloop::{Error, EventLoop, Turn, reactor};
use napi::bindgen_prelude::{Env, External, Function};
use napi_derive::napi;

use crate::batch::{Submission, budgets, complete, submissions};
use crate::driver::{Driver, Kind};
use crate::fd::JsFd;
use crate::receive::Receiver;

/// The native half of an `IOLoop`. JavaScript holds it as an external value and passes it to free
/// functions: a method of a wrapped object costs three times as much to call (`docs/design.md`).
pub struct NativeLoop {
    /// Exists while the loop runs. Before the core in the order of dropping: it watches its set.
    driver: Option<Driver>,
    kind: Kind,
    /// `None` once closed.
    core: Option<EventLoop<JsFd, ()>>,
    timeline: Timeline,
    /// Tokens by their index: JavaScript names a registration by its index alone.
    tokens: Vec<Option<Token>>,
    /// Most bytes that a turn receives from a source.
    receive_bytes: usize,
    turn: Turn<()>,
}

/// A loop whose clock shows `now` (seconds). `driver` is `libuv` or `thread`. A turn fires `timers`
/// timers, takes `events` events, and receives `receive_bytes` bytes from a stream, at most.
#[napi(catch_unwind)]
pub fn loop_open(
    driver: String,
    now: f64,
    timers: u32,
    events: u32,
    receive_bytes: u32,
) -> napi::Result<External<NativeLoop>> {
    let kind = Kind::parse(&driver)?;
    let timeline = Timeline::new(now);
    let mut turn = Turn::default();
    let (mut core, _handle) = EventLoop::with_budgets(budgets(timers, events)).map_err(failed)?;
    // Brings the wheel to the present, so that timers go to the right level at once.
    core.turn(timeline.tick(now), Some(Duration::ZERO), &mut turn)
        .map_err(failed)?;
    Ok(External::new(NativeLoop {
        driver: None,
        kind,
        core: Some(core),
        timeline,
        tokens: Vec::new(),
        receive_bytes: receive_bytes as usize,
        turn,
    }))
}

/// Starts to watch the loop's set from Node's loop, which is kept alive: `wake` is called when a
/// turn has something to collect. Called again, it watches the set anew.
#[napi(catch_unwind)]
pub fn loop_start(
    handle: &mut External<NativeLoop>,
    env: Env,
    wake: Function<'_, (), ()>,
) -> napi::Result<()> {
    let Some(core) = &handle.core else {
        return Ok(());
    };
    handle.driver = Some(Driver::start(handle.kind, env, core.as_raw_fd(), &wake)?);
    Ok(())
}

/// Stops watching; Node's loop is not kept alive any more.
#[napi(catch_unwind)]
pub fn loop_stop(handle: &mut External<NativeLoop>) {
    handle.driver = None;
}

/// Frees everything. Whatever is called afterwards does nothing and answers `-EBADF`.
#[napi(catch_unwind)]
pub fn loop_close(handle: &mut External<NativeLoop>) {
    handle.driver = None;
    handle.core = None;
    handle.tokens = Vec::new();
}

/// Registers a descriptor number for READ, WRITE and `INTEREST_EDGE` bits: its index, or a negative errno.
#[napi(catch_unwind)]
pub fn loop_register(handle: &mut External<NativeLoop>, fd: i32, interest: u32) -> i32 {
    let Some(core) = &mut handle.core else {
        return CLOSED;
    };
    let Some(fd) = JsFd::adopt(fd) else {
        return CLOSED;
    };
    match core.register(fd, Interest::from_bits(interest)) {
        Ok(token) => handle.remember(token),
        Err(error) => -error.errno(),
    }
}

/// Changes the interest of a registration: 0, or a negative errno (`-ENOENT` when it is gone).
#[napi(catch_unwind)]
pub fn loop_reregister(handle: &mut External<NativeLoop>, index: u32, interest: u32) -> i32 {
    let token = handle.token(index as usize);
    let Some(core) = &mut handle.core else {
        return CLOSED;
    };
    let Some(token) = token else {
        return -Error::Unknown.errno();
    };
    match core.reregister(token, Interest::from_bits(interest)) {
        Ok(()) => 0,
        Err(error) => -error.errno(),
    }
}

/// Ends a registration. Never fails.
#[napi(catch_unwind)]
pub fn loop_deregister(handle: &mut External<NativeLoop>, index: u32) {
    let token = handle.tokens.get_mut(index as usize).and_then(Option::take);
    if let (Some(core), Some(token)) = (&mut handle.core, token) {
        core.deregister(token);
    }
}

/// One turn without waiting, at `now` seconds: takes the first `count` words of `submitted`,
/// writes what happened to `completions`, and what was received for the streams among `modes` to
/// `slab`, from `used` on. A sum of `TURN_MORE` and `TURN_REBUILT`, or a negative errno.
#[allow(clippy::too_many_arguments, reason = "one crossing for all of a turn")]
#[napi(catch_unwind)]
pub fn loop_turn(
    handle: &mut External<NativeLoop>,
    now: f64,
    submitted: &[f64],
    count: u32,
    #[napi(ts_arg_type = "Int32Array")] completions: Words<'_>,
    modes: &[u8],
    #[napi(ts_arg_type = "Uint8Array")] slab: Bytes<'_>,
    used: u32,
) -> i32 {
    handle.submit(submitted, count);
    let NativeLoop {
        core: Some(core),
        timeline,
        receive_bytes,
        turn,
        ..
    } = &mut **handle
    else {
        return CLOSED;
    };
    if let Err(error) = core.turn(timeline.tick(now), Some(Duration::ZERO), turn) {
        return -error.errno();
    }
    let mut receiver = Receiver::new(modes, slab, used, *receive_bytes);
    if !complete(core, turn, &mut receiver, completions) {
        return INVALID;
    }
    i32::from(turn.more) * TURN_MORE + i32::from(turn.rebuilt) * TURN_REBUILT
}

/// Takes the first `count` words of `submitted`, outside a turn.
#[napi(catch_unwind)]
pub fn loop_submit(handle: &mut External<NativeLoop>, submitted: &[f64], count: u32) {
    handle.submit(submitted, count);
}

/// Takes submissions like `loopSubmit` and prepares to wait: the set's alarm is set, the thread
/// driver watches again. Seconds until the host has to wake the loop by itself, or Infinity.
#[napi(catch_unwind)]
pub fn loop_sleep(
    handle: &mut External<NativeLoop>,
    now: f64,
    submitted: &[f64],
    count: u32,
) -> f64 {
    handle.submit(submitted, count);
    let NativeLoop {
        core: Some(core),
        timeline,
        driver,
        ..
    } = &mut **handle
    else {
        return f64::INFINITY;
    };
    let alarmed = core.set_alarm(timeline.tick(now)).is_ok() && HAS_ALARM;
    if let Some(driver) = driver {
        driver.rearm();
    }
    match core.next_wake() {
        Some(wake) if !alarmed => timeline.seconds(wake) - now,
        _ => f64::INFINITY,
    }
}

impl NativeLoop {
    fn submit(&mut self, submitted: &[f64], count: u32) {
        let Self {
            core: Some(core),
            timeline,
            tokens,
            ..
        } = self
        else {
            return;
        };
        let words = submitted.get(..count as usize).unwrap_or(submitted);
        for submission in submissions(words, timeline) {
            match submission {
                Submission::Arm(id, deadline) => core.arm(id, deadline),
                Submission::Disarm(id) => drop(core.disarm(id)),
                Submission::Drained(index, readiness) => {
                    if let Some(token) = tokens.get(index).copied().flatten() {
                        core.drained(token, readiness);
                    }
                }
            }
        }
    }

    fn token(&self, index: usize) -> Option<Token> {
        self.tokens.get(index).copied().flatten()
    }

    fn remember(&mut self, token: Token) -> i32 {
        let index = token.index() as usize;
        if self.tokens.len() <= index {
            self.tokens.resize(index + 1, None);
        }
        self.tokens[index] = Some(token);
        i32::try_from(index).unwrap_or(INVALID)
    }
}

/// A typed array, lent for a call. (napi-derive takes a plain `&mut` for a class.)
type Words<'a> = &'a mut [i32];
type Bytes<'a> = &'a mut [u8];

/// Interest of a source whose readiness is reported once per change, as streams want it.
#[napi]
pub const INTEREST_EDGE: u32 = 0x80;

/// Answer of a turn: a budget left work for the next one, which will not have to wait.
#[napi]
pub const TURN_MORE: i32 = 1;

/// Answer of a turn: the loop has another set, `start` has to be called again.
#[napi]
pub const TURN_REBUILT: i32 = 2;

/// Whether the loop's set wakes at the next deadline by itself; if not, the host has to.
#[napi]
pub const HAS_ALARM: bool = ioloop::event_loop::HAS_ALARM;

/// The system call that readiness comes from: `epoll`, `kqueue` or `poll`.
#[napi]
#[must_use]
pub fn backend() -> &'static str {
    reactor::backend()
}

fn failed(error: Error) -> napi::Error {
    napi::Error::from_reason(error.errno().to_string())
}

const CLOSED: i32 = -rustix::io::Errno::BADF.raw_os_error();
const INVALID: i32 = -rustix::io::Errno::INVAL.raw_os_error();
