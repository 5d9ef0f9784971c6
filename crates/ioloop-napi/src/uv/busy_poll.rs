//! Busy polling: after events, Node's loop polls for some time without sleeping. To fall asleep and be
//! woken takes longer than many a peer takes to answer.
//!
//! It is an idle handle: while it is active, libuv polls with a timeout of 0. All that Node's loop
//! serves, timers and other descriptors, is served as ever, and no system call is added.
//!
//! | State | The handle | Next state |
//! | --- | --- | --- |
//! | resting | is not active | expecting: a turn had events, and to poll pays ([`Chances`]) |
//! | expecting | is active | polling, counted: libuv is about to sleep; resting: it is not, as there is other work |
//! | polling | is active | expecting or resting: a turn had events, which counts as answered; resting: the time is over |
#![allow(unsafe_code, reason = "callbacks of libuv are C")]

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::rc::Rc;
use std::time::{Duration, Instant};

use napi::bindgen_prelude::Env;

use super::chances::Chances;
use super::{Body, Context, Handle, Kind, Uv, opened};
use crate::busy_polls::BusyPolls;
use crate::errno::Failure;

/// The busy polling of one loop. Does not keep Node's loop alive; dropping it ends the polling.
pub(crate) struct BusyPoll {
    handle: Handle<Poller>,
}

/// The state of the handle.
struct Poller {
    /// The longest time of polling.
    budget: Duration,
    counts: Rc<BusyPolls>,
    chances: RefCell<Chances>,
    state: Cell<State>,
}

#[derive(Clone, Copy)]
enum State {
    Resting,
    Expecting,
    /// Since that time.
    Polling(Instant),
}

impl Body for Poller {
    const KIND: Kind = Kind::Idle;

    fn on_close(&self) {}
}

impl BusyPoll {
    /// Polls for `budget` at most. Runs no JavaScript.
    pub(crate) fn new(env: Env, budget: Duration, counts: Rc<BusyPolls>) -> Result<Self, Failure> {
        let poller = Poller {
            budget,
            counts,
            // No answer is slow: the budget bounds the wait.
            chances: RefCell::new(Chances::new(Duration::MAX)),
            state: Cell::new(State::Resting),
        };
        let handle = Handle::open_idle(env, poller)?;
        Ok(Self { handle })
    }

    /// A turn had events: more are expected.
    pub(crate) fn expect(&self) {
        let (Some((_, context)), Ok(uv)) = (self.handle.get(), Uv::get()) else {
            return;
        };
        let poller = &context.body;
        match poller.state.get() {
            State::Expecting => return,
            State::Resting => {}
            State::Polling(since) => {
                poller
                    .chances
                    .borrow_mut()
                    .has_waited(Some(since.elapsed()));
                poller.counts.add_answered();
            }
        }
        if poller.chances.borrow_mut().is_due() {
            context.poll(uv, State::Expecting);
        } else {
            context.rest(uv);
        }
    }
}

impl Context<Poller> {
    /// libuv polls without sleeping, in this state.
    fn poll(&self, uv: &Uv, state: State) {
        self.activate(uv, on_idle);
        self.body.state.set(state);
    }

    fn rest(&self, uv: &Uv) {
        self.deactivate(uv);
        self.body.state.set(State::Resting);
    }
}

/// Called by libuv before it polls, while the handle is active.
extern "C" fn on_idle(handle: *mut c_void) {
    // SAFETY: in a callback of a handle that was opened with a `Poller`.
    let opened = unsafe { opened::<Poller>(handle) };
    let Some((uv, context)) = opened else { return };
    let poller = &context.body;
    match poller.state.get() {
        State::Resting => {}
        State::Expecting => {
            context.rest(uv);
            if !context.has_work(uv) {
                context.poll(uv, State::Polling(Instant::now()));
                poller.counts.add_begun();
            }
        }
        State::Polling(since) if since.elapsed() < poller.budget => {}
        State::Polling(_) => {
            context.rest(uv);
            poller.chances.borrow_mut().has_waited(None);
        }
    }
}
