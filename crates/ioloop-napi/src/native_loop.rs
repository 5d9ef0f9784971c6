//! One core loop for one `IOLoop`: made, started, stopped, closed.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::time::Duration;

use ioloop::clock::Timeline;
use ioloop::event_loop::Budgets;
use ioloop::{Error, EventLoop, Result, Turn, reactor};
use napi::bindgen_prelude::{Either, Env, External, Function};
use napi_derive::napi;

use crate::busy_polls::BusyPolls;
use crate::driver::{Driver, Kind};
use crate::errno::{CLOSED, Failure, Value, or_errno};
use crate::fd::JsFd;
use crate::passages::Passages;
use crate::remote::{Command, Owner};

/// The native half of an `IOLoop`. JavaScript holds it as an external value and passes it to free
/// functions: a method of a class costs three times as much to call (`docs/design.md`).
///
/// A function borrows it only while no JavaScript can run, which may call all of them.
pub struct NativeLoop {
    /// `None` once closed. Shared with the driver, which looks after [`Passages`].
    open: Rc<RefCell<Option<Open>>>,
}

/// A loop that is not closed.
pub(crate) struct Open {
    /// Present while the loop runs. It watches the core's selector: dropped before the core.
    pub(crate) driver: Option<Driver>,
    kind: Kind,
    busy_polls: Rc<BusyPolls>,
    pub(crate) core: Core,
    pub(crate) timeline: Timeline,
    /// Most bytes that a turn receives from a source.
    pub(crate) receive_bytes: usize,
    pub(crate) turn: Turn<Command>,
    pub(crate) passages: Passages,
    /// Dropped after the core, which closes the handles of other threads.
    pub(crate) owner: Owner,
}

/// The core, with descriptor numbers as its sources.
pub(crate) type Core = EventLoop<JsFd, Command>;

impl NativeLoop {
    /// Runs an operation on the loop.
    ///
    /// # Errors
    ///
    /// `EBADF` once the loop is closed.
    ///
    /// # Panics
    ///
    /// If it is borrowed: by a function that lets JavaScript run, which none does.
    pub(crate) fn with<T>(&self, operation: impl FnOnce(&mut Open) -> Result<T>) -> Result<T> {
        let mut open = self.open.borrow_mut();
        let open = open.as_mut().ok_or(Error::Closed)?;
        let result = operation(open);
        open.watch_changes();
        result
    }

    /// [`with`](Self::with), for a result that crosses as a number.
    pub(crate) fn run<T: Value>(&self, operation: impl FnOnce(&mut Open) -> Result<T>) -> i32 {
        or_errno(|| self.with(operation))
    }
}

/// A loop, for its driver, which it owns.
#[cfg_attr(
    selector = "none",
    expect(dead_code, reason = "without a selector there is nothing to look at")
)]
pub(crate) struct LoopRef(Weak<RefCell<Option<Open>>>);

/// What a driver has to do next.
#[cfg(not(selector = "none"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ahead {
    /// Wait for the selector.
    Wait,
    /// Look again in the next round of the host's loop: the budget of passages is spent.
    Again,
    /// Wake JavaScript.
    Wake,
}

#[cfg(not(selector = "none"))]
impl LoopRef {
    /// The selector is readable, or passages were cut: moves their bytes.
    pub(crate) fn look_ahead(&self) -> Ahead {
        let Some(open) = self.0.upgrade() else {
            return Ahead::Wake;
        };
        // Nothing borrows it while libuv calls back.
        let Ok(mut open) = open.try_borrow_mut() else {
            return Ahead::Wake;
        };
        open.as_mut().map_or(Ahead::Wake, Open::look_ahead)
    }
}

impl Open {
    #[cfg(not(selector = "none"))]
    fn look_ahead(&mut self) -> Ahead {
        if self.passages.is_empty() {
            return Ahead::Wake;
        }
        self.core.look_ahead(&mut self.turn);
        if !self.turn.ready.is_empty()
            && let Some(driver) = &self.driver
        {
            driver.expect_events();
        }
        let is_cut = self.run_passages();
        if self.core.has_ahead(&self.turn) {
            return Ahead::Wake;
        }
        if is_cut { Ahead::Again } else { Ahead::Wait }
    }

    /// Runs the passages of the sources that are ready. Whether one was cut.
    pub(crate) fn run_passages(&mut self) -> bool {
        let Self {
            core,
            turn,
            passages,
            ..
        } = self;
        passages.run(core, &mut turn.ready, core.budgets().ready())
    }

    /// After every operation: a driver that waits for a copy of the selector needs a new one.
    #[inline]
    fn watch_changes(&self) {
        if !reactor::HAS_DESCRIPTOR
            && self.core.reactor().wait_set_changed()
            && let Some(driver) = &self.driver
        {
            driver.outdate();
        }
    }
}

/// Makes a loop whose clock shows `now`, in seconds; a negative errno if it cannot be made. `driver`
/// is `libuv`, `thread` or `host`; `steady` means that the clock never steps. A turn fires at most `timers`
/// timers, takes at most `events` events, and receives at most `receiveBytes` bytes from a stream.
/// At most `posts` calls of each other thread wait for a turn.
#[napi(catch_unwind)]
pub fn loop_open(
    driver: String,
    now: f64,
    steady: bool,
    timers: u32,
    events: u32,
    receive_bytes: u32,
    posts: u32,
) -> napi::Result<Either<External<NativeLoop>, i32>> {
    let kind = Kind::parse(&driver)?;
    let timeline = Timeline::new(now);
    let opened = open_core(budgets(timers, events), timeline.tick(now), steady);
    Ok(match opened {
        Ok((core, turn)) => Either::A(External::new(NativeLoop {
            open: Rc::new(RefCell::new(Some(Open {
                driver: None,
                kind,
                busy_polls: Rc::default(),
                core,
                timeline,
                receive_bytes: receive_bytes as usize,
                turn,
                passages: Passages::default(),
                owner: Owner::new(posts),
            }))),
        })),
        Err(error) => Either::B(-error.errno()),
    })
}

fn open_core(budgets: Budgets, now: u64, steady: bool) -> Result<(Core, Turn<Command>)> {
    let mut core = Core::with_budgets(budgets)?;
    core.expect_clock_steps(!steady);
    // Brings the wheel to the present, so that timers go to the right level at once.
    let mut turn = Turn::default();
    core.turn(now, Some(Duration::ZERO), &mut turn)?;
    Ok((core, turn))
}

/// The bounds of a turn, from those of JavaScript.
pub(crate) fn budgets(timers: u32, events: u32) -> Budgets {
    Budgets {
        timers: timers.max(1) as usize,
        events: events.max(1) as usize,
        ..Budgets::default()
    }
}

/// Starts the driver, which keeps Node's loop alive and calls `wake` when a turn has something to
/// collect. After events, the libuv driver polls for up to `busyPoll` seconds before Node's loop
/// sleeps. 0, or a negative errno: `-EBADF` if the loop is closed, also by a hook of `async_hooks`
/// within this call. Nothing is watched then.
#[napi(catch_unwind)]
pub fn loop_start(
    handle: &External<NativeLoop>,
    env: Env,
    wake: Function<'_, (), ()>,
    busy_poll: f64,
) -> napi::Result<i32> {
    let found = handle.with(|open| Ok((open.kind, Rc::clone(&open.busy_polls))));
    let Ok((kind, busy_polls)) = found else {
        return Ok(CLOSED);
    };
    let busy_poll = Duration::try_from_secs_f64(busy_poll).unwrap_or_default();
    let selector = || {
        handle
            .with(|open| Ok(open.core.reactor_mut().wait_set()))
            .ok()
    };
    let this = LoopRef(Rc::downgrade(&handle.open));
    match Driver::start(kind, env, &wake, selector, busy_poll, busy_polls, this) {
        Ok(driver) => Ok(handle.run(|open| {
            open.driver = Some(driver);
            Ok(())
        })),
        Err(Failure::Errno(errno)) => Ok(-errno),
        Err(Failure::Other(error)) => Err(error),
    }
}

/// Stops the driver; Node's loop is no longer kept alive.
#[napi(catch_unwind)]
pub fn loop_stop(handle: &External<NativeLoop>) {
    let driver = handle.with(|open| Ok(open.driver.take()));
    drop(driver);
}

/// Frees everything. Later calls do nothing and return `-EBADF`.
#[napi(catch_unwind)]
pub fn loop_close(handle: &External<NativeLoop>) {
    let open = handle.open.take();
    drop(open);
}

/// The counts of a loop since it was made: how often the selector was replaced because of stale
/// registrations; how often the loop has polled before a sleep, and in how many of these polls an event
/// has come. Empty if the loop is closed.
#[napi(catch_unwind)]
pub fn loop_counts(handle: &External<NativeLoop>) -> Vec<i64> {
    let counted = handle.with(|open| {
        let [begun, answered] = open.busy_polls.counts();
        Ok([u64::from(open.core.reactor().rebuilds()), begun, answered])
    });
    counted.map_or_else(
        |_closed| Vec::new(),
        |counts| counts.map(u64::cast_signed).to_vec(),
    )
}
