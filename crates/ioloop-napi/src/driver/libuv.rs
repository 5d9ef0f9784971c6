//! The libuv driver: one `uv_poll_t` of Node's loop, on the loop's selector.
//!
//! The descriptors of users stay in our selector and never enter libuv's. So closing one cannot make
//! libuv abort, and libuv's limit of one poll handle per descriptor does not apply to them.
#![allow(unsafe_code, reason = "libuv is C")]

use std::cell::{Cell, OnceCell};
use std::ffi::{c_int, c_void};
use std::io;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::time::Duration;

use napi::bindgen_prelude::{Env, Function};
use rustix::io::Errno;

use crate::busy_polls::BusyPolls;
use crate::errno::Failure;
use crate::native_loop::{Ahead, LoopRef};
use crate::uv::busy_poll::BusyPoll;
use crate::uv::{Body, Callback, Handle, Kind, Uv, libuv, opened};

/// A poll handle on a selector, with its callback. Dropping it closes the handle.
pub(crate) struct Watch {
    handle: Handle<Poll>,
    parked: Cell<bool>,
    /// `None` unless the loop polls before it sleeps.
    busy_poll: Option<BusyPoll>,
}

struct Poll {
    wake: Rc<Wake>,
    /// Made when passages are first cut.
    again: OnceCell<Handle<Again>>,
}

impl Body for Poll {
    const KIND: Kind = Kind::Poll;

    fn on_close(&self) {
        if let Some(callback) = self.wake.callback.take() {
            callback.release();
        }
    }
}

impl Poll {
    /// Makes libuv call [`on_again`] in its next round. False if the idle handle cannot be made.
    fn look_again(&self) -> bool {
        if self.again.get().is_none()
            && let Ok(handle) = Handle::open_idle(self.wake.env, Again(Rc::clone(&self.wake)))
        {
            let _first = self.again.set(handle);
        }
        let (Some((_, context)), Ok(uv)) = (self.again.get().and_then(Handle::get), Uv::get())
        else {
            return false;
        };
        context.activate(uv, on_again);
        true
    }
}

/// An idle handle, active until its callback: libuv then looks again without sleeping, after it has
/// served everything else.
struct Again(Rc<Wake>);

impl Body for Again {
    const KIND: Kind = Kind::Idle;

    fn on_close(&self) {}
}

/// What the callbacks of both handles do.
struct Wake {
    env: Env,
    /// `None` once the poll handle is closed: the loop does not run.
    callback: Cell<Option<Callback>>,
    core: LoopRef,
}

impl Wake {
    /// Moves the bytes of passages, and calls JavaScript if there is something else. Whether to look again.
    fn look(&self) -> bool {
        if self.callback.get().is_none() {
            return false;
        }
        match self.core.look_ahead() {
            Ahead::Wait => return false,
            Ahead::Again => return true,
            Ahead::Wake => {}
        }
        self.call();
        false
    }

    fn call(&self) {
        // A wake-up that is likely to find more asks for the next one.
        while self.callback.get().is_some_and(Callback::call) {}
    }
}

impl Watch {
    pub(crate) fn start(
        env: Env,
        wake: &Function<'_, (), ()>,
        selector: impl FnOnce() -> Option<RawFd>,
        budget: Duration,
        busy_polls: Rc<BusyPolls>,
        core: LoopRef,
    ) -> Result<Self, Failure> {
        let wake = Rc::new(Wake {
            env,
            callback: Cell::new(Some(Callback::new(env, wake)?)),
            core,
        });
        let body = Poll {
            wake,
            again: OnceCell::new(),
        };
        // No JavaScript runs from here on: the loop cannot be closed before this returns.
        let selector = selector();
        let handle = Handle::open(env, body, |uv, uv_loop, handle| {
            selector.map_or(-Errno::BADF.raw_os_error(), |selector| {
                init(uv, uv_loop, handle, selector)
            })
        })?;
        let (raw, _) = handle.get().ok_or(io::Error::from(Errno::BADF))?;
        let status = begin(libuv()?, raw.as_ptr());
        if status < 0 {
            return Err(Failure::Errno(-status));
        }
        let busy_poll = if budget.is_zero() {
            None
        } else {
            Some(BusyPoll::new(env, budget, busy_polls)?)
        };
        Ok(Self {
            handle,
            parked: Cell::new(false),
            busy_poll,
        })
    }

    /// A turn had events.
    #[inline]
    pub(crate) fn expect_events(&self) {
        if let Some(busy_poll) = &self.busy_poll {
            busy_poll.expect();
        }
    }

    /// Passages were cut: goes on with them in the next round of libuv. False if it cannot.
    pub(crate) fn look_again(&self) -> bool {
        let context = self.handle.get();
        context.is_some_and(|(_, context)| context.body.look_again())
    }

    /// Watches another selector.
    pub(crate) fn move_to(&self, selector: RawFd) -> io::Result<()> {
        let moved = self.handle.replace(
            |uv, uv_loop, handle| init(uv, uv_loop, handle, selector),
            begin,
        );
        match moved {
            Ok(()) => {
                self.parked.set(false);
                Ok(())
            }
            Err(Failure::Errno(errno)) => Err(io::Error::from_raw_os_error(errno)),
            Err(Failure::Other(_)) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Stops the calls; the handle stays open.
    pub(crate) fn park(&self) {
        let (Ok(uv), Some((handle, _)), false) = (Uv::get(), self.handle.get(), self.parked.get())
        else {
            return;
        };
        // SAFETY: the handle is initialised and not closing.
        unsafe { (uv.poll_stop)(handle.as_ptr()) };
        self.parked.set(true);
    }

    /// Undoes [`park`](Self::park).
    pub(crate) fn rearm(&self) {
        if !self.parked.get() {
            return;
        }
        let (Ok(uv), Some((handle, _))) = (Uv::get(), self.handle.get()) else {
            return;
        };
        // It fails only if another handle polls this number; the selector has one handle.
        self.parked.set(begin(uv, handle.as_ptr()) < 0);
    }
}

/// Initialises a handle on a selector, which does not poll yet. libuv checks the descriptor.
fn init(uv: &Uv, uv_loop: *mut c_void, handle: *mut c_void, selector: RawFd) -> c_int {
    // SAFETY: the loop is this environment's, the block has the size and alignment of a uv_poll_t.
    unsafe { (uv.poll_init)(uv_loop, handle, selector) }
}

/// Starts to poll.
fn begin(uv: &Uv, handle: *mut c_void) -> c_int {
    // SAFETY: the handle is initialised and not closing, and its data is a context.
    unsafe { (uv.poll_start)(handle, UV_READABLE, on_poll) }
}

/// Called by libuv: the selector is readable. A negative status wakes the loop too: its next turn
/// fails with the error of the selector.
extern "C" fn on_poll(handle: *mut c_void, _status: c_int, _events: c_int) {
    // SAFETY: in a callback of a handle that was opened with a `Poll`.
    let opened = unsafe { opened::<Poll>(handle) };
    let Some((_, context)) = opened else { return };
    let Poll { wake, .. } = &context.body;
    // JavaScript may close the handle, whose context is alive until this returns.
    let wake = Rc::clone(wake);
    // Without a handle, a turn continues.
    if wake.look() && !context.body.look_again() {
        wake.call();
    }
}

/// Called by libuv before it polls.
extern "C" fn on_again(handle: *mut c_void) {
    // SAFETY: in a callback of a handle that was opened with an `Again`.
    let opened = unsafe { opened::<Again>(handle) };
    let Some((uv, context)) = opened else { return };
    let wake = Rc::clone(&context.body.0);
    // First: the turn that it may begin makes it active again, if passages are cut there.
    context.deactivate(uv);
    if wake.look() {
        context.activate(uv, on_again);
    }
}

/// `UV_READABLE` of `uv_poll_event`.
const UV_READABLE: c_int = 1;
