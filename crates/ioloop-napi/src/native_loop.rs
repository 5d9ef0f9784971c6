//! One core loop for one `IOLoop`: arguments in, errno or counts out.

use std::cell::{RefCell, RefMut};
use std::os::fd::AsRawFd;
use std::time::Duration;

use ioloop::clock::Timeline;
use ioloop::event_loop::HAS_ALARM;
use ioloop::reactor::{Interest, Token};
use ioloop::{Error, EventLoop, Turn, reactor};
use napi::bindgen_prelude::{Either, Env, External, Function};
use napi_derive::napi;

use crate::batch::{Submission, budgets, complete, submissions};
use crate::driver::{Driver, Failure, Kind};
use crate::fd::JsFd;
use crate::receive::Receiver;

/// The native half of an `IOLoop`. JavaScript holds it as an external value and passes it to free
/// functions: a method of a wrapped object costs three times as much to call (`docs/design.md`).
///
/// Borrowed by each function for as long as no JavaScript can run: a callback may call them all.
pub struct NativeLoop {
    state: RefCell<State>,
}

struct State {
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

/// A loop whose clock shows `now` (seconds), or a negative errno. `driver` is `libuv` or `thread`;
/// `steady` says that the clock never steps. A turn fires `timers` timers, takes `events` events,
/// and receives `receive_bytes` bytes from a stream, at most.
#[napi(catch_unwind)]
pub fn loop_open(
    driver: String,
    now: f64,
    steady: bool,
    timers: u32,
    events: u32,
    receive_bytes: u32,
) -> napi::Result<Either<External<NativeLoop>, i32>> {
    let kind = Kind::parse(&driver)?;
    let timeline = Timeline::new(now);
    let mut turn = Turn::default();
    let opened = EventLoop::with_budgets(budgets(timers, events)).and_then(|mut core| {
        core.expect_clock_steps(!steady);
        // Brings the wheel to the present, so that timers go to the right level at once.
        core.turn(timeline.tick(now), Some(Duration::ZERO), &mut turn)?;
        Ok(core)
    });
    let core = match opened {
        Ok(core) => core,
        Err(error) => return Ok(Either::B(-error.errno())),
    };
    let state = RefCell::new(State {
        driver: None,
        kind,
        core: Some(core),
        timeline,
        tokens: Vec::new(),
        receive_bytes: receive_bytes as usize,
        turn,
    });
    Ok(Either::A(External::new(NativeLoop { state })))
}

/// Starts to watch the loop's set from Node's loop, which is kept alive: `wake` is called when a
/// turn has something to collect. 0, or a negative errno (`-EBADF` when the loop is closed, be it
/// by a hook of `async_hooks` in this call); then nothing is watched.
#[napi(catch_unwind)]
pub fn loop_start(
    handle: &External<NativeLoop>,
    env: Env,
    wake: Function<'_, (), ()>,
) -> napi::Result<i32> {
    let kind = handle.state().kind;
    let set = || handle.state().core.as_ref().map(AsRawFd::as_raw_fd);
    match Driver::start(kind, env, &wake, set) {
        Ok(driver) => {
            handle.state().driver = Some(driver);
            Ok(0)
        }
        Err(Failure::Errno(errno)) => Ok(-errno),
        Err(Failure::Other(error)) => Err(error),
    }
}

/// Stops watching; Node's loop is not kept alive any more.
#[napi(catch_unwind)]
pub fn loop_stop(handle: &External<NativeLoop>) {
    handle.state().driver = None;
}

/// Frees everything. Whatever is called afterwards does nothing and answers `-EBADF`.
#[napi(catch_unwind)]
pub fn loop_close(handle: &External<NativeLoop>) {
    let mut state = handle.state();
    state.driver = None;
    state.core = None;
    state.tokens = Vec::new();
}

/// Registers a descriptor number for READ, PRI, WRITE, `INTEREST_EDGE` and `INTEREST_VERIFY` bits.
/// Its index, or a negative errno.
#[napi(catch_unwind)]
pub fn loop_register(handle: &External<NativeLoop>, fd: i32, interest: u32) -> i32 {
    let mut state = handle.state();
    let Some(core) = &mut state.core else {
        return CLOSED;
    };
    let Some(fd) = JsFd::adopt(fd) else {
        return CLOSED;
    };
    let registered = core
        .reactor_mut()
        .register(fd, Interest::from_word(interest))
        .and_then(|token| {
            if interest & INTEREST_VERIFY != 0
                && let Err(error) = core.reactor_mut().verify(token)
            {
                core.reactor_mut().deregister(token);
                return Err(error);
            }
            Ok(token)
        });
    match registered {
        Ok(token) => state.remember(token),
        Err(error) => -error.errno(),
    }
}

/// Adds `INTEREST_VERIFY` to a registration: 0, or a negative errno.
#[napi(catch_unwind)]
pub fn loop_verify(handle: &External<NativeLoop>, index: u32) -> i32 {
    let mut state = handle.state();
    let token = state.token(index as usize);
    match (&mut state.core, token) {
        (Some(core), Some(token)) => core
            .reactor_mut()
            .verify(token)
            .map_or_else(|error| -error.errno(), |()| 0),
        _ => CLOSED,
    }
}

/// Whether the number of a registration still is the file that was registered.
#[napi(catch_unwind)]
pub fn loop_is_registered(handle: &External<NativeLoop>, index: u32) -> bool {
    let state = handle.state();
    match (&state.core, state.token(index as usize)) {
        (Some(core), Some(token)) => core.reactor().is_registered(token).unwrap_or(true),
        _ => false,
    }
}

/// Changes the interest of a registration: 0, or a negative errno (`-ENOENT` when it is gone).
#[napi(catch_unwind)]
pub fn loop_reregister(handle: &External<NativeLoop>, index: u32, interest: u32) -> i32 {
    let mut state = handle.state();
    let token = state.token(index as usize);
    let Some(core) = &mut state.core else {
        return CLOSED;
    };
    let Some(token) = token else {
        return -Error::Unknown.errno();
    };
    match core
        .reactor_mut()
        .reregister(token, Interest::from_word(interest))
    {
        Ok(()) => 0,
        Err(error) => -error.errno(),
    }
}

/// Ends a registration. Never fails.
#[napi(catch_unwind)]
pub fn loop_deregister(handle: &External<NativeLoop>, index: u32) {
    let mut state = handle.state();
    let token = state.tokens.get_mut(index as usize).and_then(Option::take);
    if let (Some(core), Some(token)) = (&mut state.core, token) {
        core.reactor_mut().deregister(token);
    }
}

/// One turn without waiting, at `now` seconds: takes the first `count` words of `submitted`,
/// writes what happened to `completions`, and what was received for the streams among `modes` to
/// `slab`, from `used` on. A sum of `TURN_` bits, or a negative errno when the loop is closed. A
/// system call that failed is among the completions, beside what was collected all the same.
#[allow(clippy::too_many_arguments, reason = "one crossing for all of a turn")]
#[napi(catch_unwind)]
pub fn loop_turn(
    handle: &External<NativeLoop>,
    now: f64,
    submitted: &[f64],
    count: u32,
    #[napi(ts_arg_type = "Int32Array")] completions: Words<'_>,
    modes: &[u8],
    #[napi(ts_arg_type = "Uint8Array")] slab: Bytes<'_>,
    used: u32,
) -> i32 {
    let mut state = handle.state();
    state.submit(submitted, count);
    let State {
        driver,
        core: Some(core),
        timeline,
        receive_bytes,
        turn,
        ..
    } = &mut *state
    else {
        return CLOSED;
    };
    let collected = core.turn(timeline.tick(now), Some(Duration::ZERO), turn);
    let errno = collected.map_or_else(|error| error.errno(), |()| 0);
    let mut receiver = Receiver::new(modes, slab, used, *receive_bytes);
    if !complete(core, turn, errno, &mut receiver, completions) {
        return INVALID;
    }
    if core.reactor().needs_rebuild()
        && let Some(driver) = driver
    {
        // Without descriptors for a new set the old one serves on, and this is tried again.
        let _serves_on = core.rebuild(|set| driver.move_to(set));
    }
    i32::from(turn.more || core.reactor().has_stale()) * TURN_MORE
        + i32::from(turn.alarmed) * TURN_ALARMED
        + i32::from(errno != 0) * TURN_FAILED
}

/// Takes the first `count` words of `submitted`, outside a turn. Sets no alarm.
#[napi(catch_unwind)]
pub fn loop_submit(handle: &External<NativeLoop>, submitted: &[f64], count: u32) {
    handle.state().submit(submitted, count);
}

/// Takes submissions like `loopSubmit` and prepares to wait: the set's alarm is set, the driver
/// watches again. Seconds until the host has to wake the loop by itself, or Infinity.
///
/// With `paused` nothing is watched until the next call without: for a set that is readable and
/// cannot be collected. The host has to wake the loop then, at the latest after these seconds.
#[napi(catch_unwind)]
pub fn loop_sleep(
    handle: &External<NativeLoop>,
    now: f64,
    submitted: &[f64],
    count: u32,
    paused: bool,
) -> f64 {
    let mut state = handle.state();
    state.submit(submitted, count);
    let State {
        core: Some(core),
        timeline,
        driver,
        ..
    } = &mut *state
    else {
        return f64::INFINITY;
    };
    let tick = timeline.tick(now);
    let alarmed = HAS_ALARM && !paused && core.set_alarm(tick).is_ok();
    match driver {
        Some(driver) if paused => driver.park(),
        Some(driver) => driver.rearm(),
        None => {}
    }
    match core.next_wake(tick) {
        Some(wake) if !alarmed => timeline.seconds(wake) - now,
        _ => f64::INFINITY,
    }
}

impl NativeLoop {
    /// # Panics
    ///
    /// When it is borrowed: by a function that lets JavaScript run, which none of them does.
    fn state(&self) -> RefMut<'_, State> {
        self.state.borrow_mut()
    }
}

impl State {
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
                Submission::Arm(id, deadline) => core.wheel_mut().arm(id, deadline),
                Submission::Disarm(id) => drop(core.wheel_mut().cancel(id)),
                Submission::Drained(index, readiness) => {
                    if let Some(token) = tokens.get(index).copied().flatten() {
                        core.reactor_mut().drained(token, readiness);
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

/// Bit of an interest: others may close this descriptor by its number, so each report is verified.
/// A registration that is stale is reported once, as `READY_LOST`, and is gone.
#[napi]
pub const INTEREST_VERIFY: u32 = 0x40;

/// The bits of a ready source whose number was closed elsewhere. It is not registered any more.
#[napi]
pub const READY_LOST: u32 = 0x40;

/// Answer of a turn: a budget left work for the next one, which will not have to wait.
#[napi]
pub const TURN_MORE: i32 = 1;

/// Answer of a turn: the set wakes at the next deadline, so of those that were armed before.
#[napi]
pub const TURN_ALARMED: i32 = 2;

/// Answer of a turn: a system call failed, with the errno among the completions.
#[napi]
pub const TURN_FAILED: i32 = 4;

/// Whether exceptional conditions can be watched: TCP urgent data, changes in sysfs.
#[napi]
pub const HAS_PRIORITY: bool = ioloop::reactor::HAS_PRIORITY;

/// The system call that readiness comes from: `epoll`, `kqueue` or `poll`.
#[napi]
#[must_use]
pub fn backend() -> &'static str {
    reactor::backend()
}

const CLOSED: i32 = -rustix::io::Errno::BADF.raw_os_error();
const INVALID: i32 = -rustix::io::Errno::INVAL.raw_os_error();
