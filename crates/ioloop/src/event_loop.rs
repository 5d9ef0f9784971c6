//! The event loop: reactor, timer wheel, alarm and inbox, driven by one function.

use std::io;
#[cfg(any(selector = "epoll", selector = "kqueue"))]
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use crate::Result;
use crate::reactor::{
    self, Alarm, Event, REBUILDS, Reactor, Readiness, Selector, Signals, Source, WaitSet,
};
use crate::remote::{self, Counts, Inbox, LoopHandle};
use crate::timer::{TimerId, Wheel};

/// An event loop over sources `S` that takes commands `C` from other threads.
///
/// Belongs to one thread. Other threads hold a [`LoopHandle`].
///
/// # Examples
///
/// ```
/// # use ioloop::{EventLoop, Turn, timer::TimerId};
/// # use std::os::fd::OwnedFd;
/// let mut event_loop = EventLoop::<OwnedFd, &str>::new()?;
/// event_loop.wheel_mut().arm(TimerId(0), 5_000_000);
/// event_loop.handle()?.post("hello").unwrap();
///
/// let mut turn = Turn::default();
/// event_loop.turn(5_000_000, None, &mut turn)?;
/// assert_eq!(turn.commands, ["hello"]);
/// assert_eq!(turn.due, [TimerId(0)]);
/// # Ok::<(), ioloop::Error>(())
/// ```
pub struct EventLoop<S, C> {
    budgets: Budgets,
    /// Made with the first handle.
    inbox: Option<Inbox<C>>,
    wheel: Wheel,
    alarm: Alarm,
    /// Timer slack: after a burst, timers alone do not wake the loop before this tick.
    slack_until: u64,
    reactor: Reactor<S>,
    /// What the selector has reported [ahead](Self::look_ahead) of the next turn.
    ahead: Option<Box<Signals>>,
}

/// The result of one turn, in the order of dispatch. Reuse it: the vectors keep their capacity.
#[derive(Debug)]
pub struct Turn<C> {
    /// Commands from other threads. Those of one thread are in the order of its posts.
    pub commands: Vec<C>,
    /// A handle has posted, or has [woken](LoopHandle::wake) the loop without a command, since the
    /// last turn.
    pub woken: bool,
    /// Timers that were due when the turn began, by (deadline, insertion). At most
    /// [`Budgets::timers`].
    pub due: Vec<TimerId>,
    /// Ready sources, each once. At most [`Budgets::ready`].
    pub ready: Vec<Event>,
    /// A budget or an error ended the turn early: the next turn has work and does not wait.
    pub more: bool,
    /// The selector wakes at the next deadline. If false, the host has to begin a turn at
    /// [`EventLoop::next_wake`].
    pub alarmed: bool,
}

impl<C> Default for Turn<C> {
    fn default() -> Self {
        Self {
            commands: Vec::new(),
            woken: false,
            due: Vec::new(),
            ready: Vec::new(),
            more: false,
            alarmed: HAS_ALARM,
        }
    }
}

impl<S: Source, C> EventLoop<S, C> {
    /// An event loop without sources and timers.
    ///
    /// # Errors
    ///
    /// `EMFILE`, `ENFILE` or `ENOMEM`: the selector and the alarm are two descriptors.
    pub fn new() -> Result<Self> {
        Self::with_budgets(Budgets::default())
    }

    /// An event loop with other [`Budgets`] than the default.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_budgets(budgets: Budgets) -> Result<Self> {
        let mut reactor = Reactor::new(budgets.events)?;
        let alarm = Alarm::new(reactor.selector())?;
        Ok(Self {
            budgets,
            inbox: None,
            wheel: Wheel::new(),
            alarm,
            slack_until: 0,
            reactor,
            ahead: None,
        })
    }

    /// Runs one turn: collects commands, due timers and ready sources into `turn`.
    ///
    /// `now` is the tick that decides which timers are due. The wait for readiness ends after
    /// `max_wait`, at [`next_wake`](Self::next_wake), or at a post; it is skipped if commands or
    /// timers were collected. `None` sets no limit. Without a selector there is nothing to wait in:
    /// it returns at once.
    ///
    /// # Ordering
    ///
    /// Commands, timers, sources. An event after its phase has been collected belongs to the next
    /// turn; a command that has ended the wait belongs to this one.
    ///
    /// # Errors
    ///
    /// The failure of a system call of the wait. `turn` is valid and has to be dispatched: its
    /// timers have left the wheel, and its edges are not reported again. A later turn collects the
    /// rest.
    pub fn turn(&mut self, now: u64, max_wait: Option<Duration>, turn: &mut Turn<C>) -> Result<()> {
        self.collect_commands(turn);
        self.collect_due(now, turn);
        let collected = if self.ahead.is_none() {
            self.collect_ready(now, max_wait, turn)
        } else {
            self.take_ahead(turn)
        };
        turn.alarmed = HAS_ALARM && self.set_alarm(now).is_ok();
        collected
    }

    /// Asks the selector ahead of the next turn, without waiting. The sources in `turn.ready` are those of
    /// that turn, which takes the same `turn` and does not ask again. The caller may act on some of them
    /// and remove them. Nothing is asked twice before a turn.
    pub fn look_ahead(&mut self, turn: &mut Turn<C>) {
        if self.ahead.is_none() {
            let signals = self.reactor.turn(Some(Duration::ZERO), &mut turn.ready);
            self.ahead = Some(Box::new(signals));
        }
    }

    /// Whether the next turn has something to do of what was found [ahead](Self::look_ahead). If not, that
    /// turn asks the selector as usual.
    #[must_use]
    pub fn has_ahead(&mut self, turn: &Turn<C>) -> bool {
        let found = self.ahead.as_ref();
        let has_work = found.is_some_and(|found| found.has_work() || !turn.ready.is_empty());
        if !has_work {
            self.ahead = None;
        }
        has_work
    }

    /// The budgets of a turn.
    #[must_use]
    pub fn budgets(&self) -> Budgets {
        self.budgets
    }

    /// A handle that posts commands to this loop. The first call makes the inbox and its waker; a
    /// loop without handles has neither.
    ///
    /// # Errors
    ///
    /// Of the first call: `EMFILE`, `ENFILE` or `ENOMEM` (a waker is one descriptor).
    pub fn handle(&mut self) -> Result<LoopHandle<C>> {
        if let Some(inbox) = &self.inbox {
            return Ok(inbox.handle());
        }
        let waker = self.reactor.selector().waker()?;
        let (handle, inbox) = remote::channel(waker, self.budgets.commands);
        self.inbox = Some(inbox);
        Ok(handle)
    }

    /// Closes the handles, and returns the commands that were accepted and not collected. Dropping
    /// the loop drops them.
    #[must_use]
    pub fn close_handles(&mut self) -> Vec<C> {
        self.inbox.as_ref().map_or_else(Vec::new, Inbox::close)
    }

    /// How much the handles have posted, by how many wake-ups.
    #[must_use]
    pub fn posted(&self) -> Counts {
        self.inbox.as_ref().map(Inbox::counts).unwrap_or_default()
    }

    /// Sets the alarm to [`next_wake`](Self::next_wake), if the system has one ([`HAS_ALARM`]): the
    /// selector then becomes readable at that tick. Each [`turn`](Self::turn) does this; call it
    /// after timers were armed outside a turn.
    ///
    /// # Errors
    ///
    /// Of `timerfd_settime(2)`. The alarm keeps its time, and the next call tries again.
    pub fn set_alarm(&mut self, now: u64) -> Result<()> {
        if let Some(deadline) = self.next_wake(now) {
            self.alarm.set(now, deadline)?;
        }
        Ok(())
    }

    /// Declares whether `now` may step against the system's monotonic clock, in either direction.
    /// The default is false. With a clock that steps, each turn with pending timers sets the alarm.
    pub fn expect_clock_steps(&mut self, steps: bool) {
        self.alarm.expect_steps(steps);
    }

    /// Replaces the selector by a new one with the same sources, alarm and waker. Call it when the
    /// reactor [needs a rebuild](Reactor::needs_rebuild).
    ///
    /// `watch` gets the new selector before the old one is closed. A host that watches the loop moves
    /// over in it. Selectors that keep no stale registrations need no rebuild: it does nothing then.
    ///
    /// # Errors
    ///
    /// `EMFILE`, `ENFILE` or `ENOMEM` (the new selector and waker are two descriptors), of
    /// `epoll_ctl(2)`, or of `watch`. The old selector then stays in use, and the reactor needs a
    /// rebuild again after a few more stale events.
    pub fn rebuild(&mut self, watch: impl FnOnce(WaitSet) -> io::Result<()>) -> Result<()> {
        if !REBUILDS {
            return Ok(());
        }
        let Self { alarm, inbox, .. } = self;
        let mut waker = None;
        let enter = |selector: &mut Selector| {
            alarm.register(selector)?;
            if inbox.is_some() {
                waker = Some(selector.waker()?);
            }
            Ok(())
        };
        self.reactor.rebuild(enter, watch)?;
        if let (Some(inbox), Some(waker)) = (inbox, waker) {
            inbox.replace_waker(waker);
        }
        Ok(())
    }

    /// The sources of this loop.
    pub fn reactor_mut(&mut self) -> &mut Reactor<S> {
        &mut self.reactor
    }

    /// The timers of this loop. The alarm follows at the end of the next turn, or with
    /// [`set_alarm`](Self::set_alarm).
    pub fn wheel_mut(&mut self) -> &mut Wheel {
        &mut self.wheel
    }

    /// The timers of this loop.
    #[must_use]
    pub fn wheel(&self) -> &Wheel {
        &self.wheel
    }

    /// The sources of this loop.
    #[must_use]
    pub fn reactor(&self) -> &Reactor<S> {
        &self.reactor
    }

    /// The tick at which timers require the next turn, as of `now`: the earliest deadline, but not
    /// within [`TIMER_SLACK`] after a turn that fired [`SLACK_BURST`] timers. `None` without timers.
    #[must_use]
    pub fn next_wake(&self, now: u64) -> Option<u64> {
        // The clock may have been set back since the burst.
        let slack_until = self.slack_until.min(now.saturating_add(TIMER_SLACK));
        self.wheel.next_wake().map(|wake| wake.max(slack_until))
    }

    fn collect_commands(&self, turn: &mut Turn<C>) {
        turn.commands.clear();
        turn.woken = false;
        self.append_commands(turn);
    }

    fn append_commands(&self, turn: &mut Turn<C>) {
        if let Some(inbox) = &self.inbox {
            turn.woken |= inbox.drain(&mut turn.commands);
        }
    }

    fn collect_due(&mut self, now: u64, turn: &mut Turn<C>) {
        turn.due.clear();
        self.wheel.expire(now, self.budgets.timers, &mut turn.due);
        if turn.due.len() >= SLACK_BURST {
            self.slack_until = now.saturating_add(TIMER_SLACK);
        }
    }

    fn collect_ready(
        &mut self,
        now: u64,
        max_wait: Option<Duration>,
        turn: &mut Turn<C>,
    ) -> Result<()> {
        let has_work = turn.woken || !turn.commands.is_empty() || !turn.due.is_empty();
        let wait = if has_work {
            Some(Duration::ZERO)
        } else {
            self.wait(now, max_wait)
        };
        let signals = self.reactor.turn(wait, &mut turn.ready);
        self.heed(signals, turn)
    }

    #[inline]
    fn heed(&mut self, signals: Signals, turn: &mut Turn<C>) -> Result<()> {
        if signals.woken {
            // Of posts after the first collection, for which no other wake-up comes.
            self.append_commands(turn);
        }
        if signals.alarm {
            self.alarm.fired();
        }
        turn.more = signals.more || turn.due.len() == self.budgets.timers;
        signals.failure.map_or(Ok(()), |error| Err(error.into()))
    }

    /// In the place of [`collect_ready`](Self::collect_ready): what was found ahead, without the events of
    /// registrations that have ended since.
    #[cold]
    #[inline(never)]
    fn take_ahead(&mut self, turn: &mut Turn<C>) -> Result<()> {
        let Some(signals) = self.ahead.take() else {
            return Ok(());
        };
        let reactor = &self.reactor;
        turn.ready.retain(|event| {
            if event.readiness == Readiness::STALE {
                // Unless another one has its index.
                return reactor.token_at(event.token.index()).is_none();
            }
            reactor.source(event.token).is_some()
        });
        self.heed(*signals, turn)
    }

    fn wait(&self, now: u64, max_wait: Option<Duration>) -> Option<Duration> {
        let deadline = self.next_wake(now).map(|wake| wake.saturating_sub(now));
        match (deadline.map(Duration::from_nanos), max_wait) {
            (Some(deadline), Some(max_wait)) => Some(deadline.min(max_wait)),
            (deadline, max_wait) => deadline.or(max_wait),
        }
    }
}

#[cfg(any(selector = "epoll", selector = "kqueue"))]
impl<S, C> AsRawFd for EventLoop<S, C> {
    /// The selector, which is readable while it holds events: a host loop watches it. Sources on
    /// the ready list do not make it readable; see [`Turn::more`].
    fn as_raw_fd(&self) -> RawFd {
        self.reactor.as_raw_fd()
    }
}

/// Bounds of one turn, so that a burst of timers, events or commands does not starve the host loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budgets {
    /// Most timers that fire in one turn. At least 1.
    pub timers: usize,
    /// Most events taken from the selector, and most sources of the ready list rechecked. At
    /// least 1.
    pub events: usize,
    /// Most commands that wait for a turn: a post of one more is refused.
    pub commands: usize,
}

impl Budgets {
    /// Most sources that one turn reports.
    #[must_use]
    pub const fn ready(self) -> usize {
        2 * self.events
    }
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            timers: 4096,
            events: reactor::EVENT_BUDGET,
            commands: 65_536,
        }
    }
}

/// Timers that fire in one turn before [`TIMER_SLACK`] applies. Without slack, 10^5 timers that are
/// due over the next moments would cause a turn every few microseconds.
pub const SLACK_BURST: usize = 16;

/// Longest delay of timers that are due after a burst, in ticks: a millisecond.
pub const TIMER_SLACK: u64 = 1_000_000;

/// Whether the selector can wake at a deadline. If not, the host has to begin a turn at
/// [`EventLoop::next_wake`].
pub const HAS_ALARM: bool = Alarm::EXISTS;
