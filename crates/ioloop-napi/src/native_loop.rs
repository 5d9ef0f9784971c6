//! One core loop for one `IOLoop`: arguments in, errno or counts out.

use std::os::fd::AsFd;
use std::time::Duration;

use ioloop::clock::Timeline;
use ioloop::reactor::{Interest, Token};
use ioloop::{Error, EventLoop, Turn, reactor};
use napi::bindgen_prelude::{Env, Function};
use napi_derive::napi;

use crate::batch::{Submission, complete, submissions};
use crate::driver::{Driver, Kind};
use crate::fd::JsFd;

/// The native half of an `IOLoop`.
#[napi]
pub struct NativeLoop {
    /// Exists while the loop runs. Before the core in the order of dropping: it watches its set.
    driver: Option<Driver>,
    kind: Kind,
    /// `None` once closed.
    core: Option<EventLoop<JsFd, ()>>,
    timeline: Timeline,
    /// Tokens by their index: JavaScript names a registration by its index alone.
    tokens: Vec<Option<Token>>,
    turn: Turn<()>,
}

#[napi]
impl NativeLoop {
    /// A loop whose clock shows `now` (seconds). `driver` is `libuv` or `thread`.
    #[napi(constructor, catch_unwind)]
    pub fn new(driver: String, now: f64) -> napi::Result<Self> {
        let (core, _handle) = EventLoop::new().map_err(open_failed)?;
        Ok(Self {
            driver: None,
            kind: Kind::parse(&driver)?,
            core: Some(core),
            timeline: Timeline::new(now),
            tokens: Vec::new(),
            turn: Turn::default(),
        })
    }

    /// Starts to watch the loop's set from Node's loop, which is kept alive: `wake` is called
    /// when a turn has something to collect. Called again, it watches the set anew.
    #[napi(catch_unwind)]
    pub fn start(&mut self, env: Env, wake: Function<'_, (), ()>) -> napi::Result<()> {
        let Some(core) = &self.core else { return Ok(()) };
        self.driver = Some(Driver::start(self.kind, &env, core.as_fd(), &wake)?);
        Ok(())
    }

    /// Stops watching; Node's loop is not kept alive any more.
    #[napi(catch_unwind)]
    pub fn stop(&mut self) {
        self.driver = None;
    }

    /// Frees everything. Whatever is called afterwards does nothing and answers `-EBADF`.
    #[napi(catch_unwind)]
    pub fn close(&mut self) {
        self.driver = None;
        self.core = None;
        self.tokens = Vec::new();
    }

    /// Registers a descriptor number for READ and WRITE bits: its index, or a negative errno.
    #[napi(catch_unwind)]
    pub fn register(&mut self, fd: i32, interest: u32) -> i32 {
        let Some(core) = &mut self.core else { return CLOSED };
        let Some(fd) = JsFd::adopt(fd) else { return CLOSED };
        match core.register(fd, Interest::from_bits(interest)) {
            Ok(token) => self.remember(token),
            Err(error) => -error.errno(),
        }
    }

    /// Changes the interest of a registration: 0, or a negative errno (`-ENOENT` when it is gone).
    #[napi(catch_unwind)]
    pub fn reregister(&mut self, index: u32, interest: u32) -> i32 {
        let Some(core) = &mut self.core else { return CLOSED };
        let token = self.tokens.get(index as usize).copied().flatten();
        let Some(token) = token else { return -Error::Unknown.errno() };
        match core.reregister(token, Interest::from_bits(interest)) {
            Ok(()) => 0,
            Err(error) => -error.errno(),
        }
    }

    /// Ends a registration. Never fails.
    #[napi(catch_unwind)]
    pub fn deregister(&mut self, index: u32) {
        let token = self.tokens.get_mut(index as usize).and_then(Option::take);
        if let (Some(core), Some(token)) = (&mut self.core, token) {
            core.deregister(token);
        }
    }

    /// One turn without waiting, at `now` seconds: takes the first `count` words of `submitted`,
    /// writes what happened to `completions`. A sum of `TURN_MORE` and `TURN_REBUILT`, or a
    /// negative errno.
    #[napi(catch_unwind)]
    pub fn turn(
        &mut self,
        now: f64,
        submitted: &[f64],
        count: u32,
        completions: &mut [i32],
    ) -> i32 {
        self.submit(submitted, count);
        let Some(core) = &mut self.core else { return CLOSED };
        let now = self.timeline.tick(now);
        if let Err(error) = core.turn(now, Some(Duration::ZERO), &mut self.turn) {
            return -error.errno();
        }
        if !complete(&self.turn, completions) {
            return INVALID;
        }
        i32::from(self.turn.more) * TURN_MORE + i32::from(self.turn.rebuilt) * TURN_REBUILT
    }

    /// Takes the first `count` words of `submitted`, outside a turn.
    #[napi(catch_unwind)]
    pub fn submit(&mut self, submitted: &[f64], count: u32) {
        let Some(core) = &mut self.core else { return };
        let words = submitted.get(..count as usize).unwrap_or(submitted);
        for submission in submissions(words, &self.timeline) {
            match submission {
                Submission::Arm(id, deadline) => core.arm(id, deadline),
                Submission::Disarm(id) => drop(core.disarm(id)),
                Submission::Drained(index, readiness) => {
                    if let Some(token) = self.tokens.get(index).copied().flatten() {
                        core.drained(token, readiness);
                    }
                }
            }
        }
    }

    /// Takes submissions like `submit` and prepares to wait: the set's alarm is set, the thread
    /// driver watches again. Seconds until the host has to wake the loop by itself, or
    /// Infinity.
    #[napi(catch_unwind)]
    pub fn sleep(&mut self, now: f64, submitted: &[f64], count: u32) -> f64 {
        self.submit(submitted, count);
        let Some(core) = &mut self.core else { return f64::INFINITY };
        let tick = self.timeline.tick(now);
        let alarmed = core.set_alarm(tick).is_ok() && HAS_ALARM;
        if let Some(driver) = &self.driver {
            driver.rearm();
        }
        match core.next_wake() {
            Some(wake) if !alarmed => self.timeline.seconds(wake) - now,
            _ => f64::INFINITY,
        }
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

fn open_failed(error: Error) -> napi::Error {
    napi::Error::from_reason(error.errno().to_string())
}

const CLOSED: i32 = -rustix::io::Errno::BADF.raw_os_error();
const INVALID: i32 = -rustix::io::Errno::INVAL.raw_os_error();
