//! The loop: reactor, wheel, alarm and inbox, turned together.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::Duration;

use crate::Result;
use crate::reactor::{self, Alarm, Event, Interest, Reactor, Readiness, Token, WAKE};
use crate::remote::{self, Inbox, LoopHandle};
use crate::timer::{TimerId, Wheel};

/// What a loop of sources `S` and commands `C` has. Belongs to one thread; other threads hold a
/// [`LoopHandle`].
///
/// # Examples
///
/// ```
/// # use ioloop::{EventLoop, Turn, timer::TimerId};
/// # use std::os::fd::OwnedFd;
/// let (mut event_loop, handle) = EventLoop::<OwnedFd, &str>::new()?;
/// event_loop.arm(TimerId(0), 5_000_000);
/// handle.post("hello").unwrap();
///
/// let mut turn = Turn::default();
/// event_loop.turn(5_000_000, None, &mut turn)?;
/// assert_eq!(turn.commands, ["hello"]);
/// assert_eq!(turn.due, [TimerId(0)]);
/// # Ok::<(), ioloop::Error>(())
/// ```
pub struct EventLoop<S, C> {
    budgets: Budgets,
    inbox: Inbox<C>,
    wheel: Wheel,
    alarm: Alarm,
    /// Timer slack: after a burst, timers alone do not wake the loop before this tick.
    slack_until: u64,
    reactor: Reactor<S>,
}

/// What one turn brought, in the order in which it is to be dispatched. Reuse it: its vectors
/// keep their capacity.
#[derive(Debug)]
pub struct Turn<C> {
    /// What other threads posted, in their order.
    pub commands: Vec<C>,
    /// Timers that were due at entry, by (deadline, insertion); at most the budget.
    pub due: Vec<TimerId>,
    /// Sources that are ready, each once.
    pub ready: Vec<Event>,
    /// A budget or an error ended the turn early: the next one will find work without waiting.
    pub more: bool,
    /// The set wakes at the next deadline. False when the alarm could not be set: who watches the
    /// set has to begin a turn at [`EventLoop::next_wake`] by itself.
    pub alarmed: bool,
}

impl<C> Default for Turn<C> {
    fn default() -> Self {
        Self {
            commands: Vec::new(),
            due: Vec::new(),
            ready: Vec::new(),
            more: false,
            alarmed: HAS_ALARM,
        }
    }
}

impl<S: AsFd, C> EventLoop<S, C> {
    /// A loop with nothing in it, and the first handle to it.
    ///
    /// # Errors
    ///
    /// `EMFILE` and the like: it needs three descriptors.
    pub fn new() -> Result<(Self, LoopHandle<C>)> {
        Self::with_budgets(Budgets::default())
    }

    /// [`new`](Self::new) with bounds of one's own.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn with_budgets(budgets: Budgets) -> Result<(Self, LoopHandle<C>)> {
        let reactor = Reactor::with_event_budget(budgets.events)?;
        let (handle, inbox) = remote::channel(mio::Waker::new(reactor.registry(), WAKE)?);
        let alarm = Alarm::new(reactor.registry())?;
        Ok((
            Self {
                budgets,
                inbox,
                wheel: Wheel::new(),
                alarm,
                slack_until: 0,
                reactor,
            },
            handle,
        ))
    }

    /// One pass. `now` is the tick that decides what is due; `max_wait` bounds the wait for
    /// readiness (`None`: until the earliest deadline or a post, at most). Nothing that happens
    /// after a phase has been collected is part of this turn.
    ///
    /// # Errors
    ///
    /// Of the system calls that wait. `turn` is valid all the same and has to be dispatched: timers
    /// in it have left the wheel, edges in it are not reported again. What could not be collected
    /// is found by a later turn.
    pub fn turn(&mut self, now: u64, max_wait: Option<Duration>, turn: &mut Turn<C>) -> Result<()> {
        self.collect_commands(turn);
        self.collect_due(now, turn);
        let collected = self.collect_ready(now, max_wait, turn);
        turn.alarmed = HAS_ALARM && self.set_alarm(now).is_ok();
        collected
    }

    /// Declares whether `now` may step, forward or back, against the system's monotonic clock. By
    /// default it does not; for a clock that does, each turn with pending timers sets the alarm.
    pub fn expect_clock_steps(&mut self, steps: bool) {
        self.alarm.expect_steps(steps);
    }

    /// Arms a timer, or moves it; see [`Wheel::arm`].
    pub fn arm(&mut self, id: TimerId, deadline: u64) {
        self.wheel.arm(id, deadline);
    }

    /// Cancels a timer; see [`Wheel::cancel`].
    pub fn cancel(&mut self, id: TimerId) -> bool {
        self.wheel.cancel(id)
    }

    /// The tick by which the next turn has to begin for the timers' sake, seen from `now`: the
    /// earliest deadline, or a [`TIMER_SLACK`] after a turn in which a [`SLACK_BURST`] fired.
    #[must_use]
    pub fn next_wake(&self, now: u64) -> Option<u64> {
        // Never later than a pause from now: the clock may have been set back since.
        let slack_until = self.slack_until.min(now.saturating_add(TIMER_SLACK));
        self.wheel.next_wake().map(|wake| wake.max(slack_until))
    }

    /// Makes the set's descriptor readable at the next deadline, seen from `now`, where there is
    /// an alarm ([`HAS_ALARM`]).
    ///
    /// # Errors
    ///
    /// Of `timerfd_settime(2)`. The alarm is as before, and the next call tries again.
    pub fn set_alarm(&mut self, now: u64) -> Result<()> {
        if let Some(deadline) = self.next_wake(now) {
            self.alarm.set(now, deadline)?;
        }
        Ok(())
    }

    /// Starts to watch a source; see [`Reactor::register`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn register(&mut self, source: S, interest: Interest) -> Result<Token> {
        self.reactor.register(source, interest)
    }

    /// Changes an interest; see [`Reactor::reregister`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn reregister(&mut self, token: Token, interest: Interest) -> Result<()> {
        self.reactor.reregister(token, interest)
    }

    /// Stops watching; see [`Reactor::deregister`].
    pub fn deregister(&mut self, token: Token) -> Option<S> {
        self.reactor.deregister(token)
    }

    /// Verifies the reports of a source; see [`Reactor::verify`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn verify(&mut self, token: Token) -> Result<()> {
        self.reactor.verify(token)
    }

    /// Whether a number still is what was registered; see [`Reactor::is_registered`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn is_registered(&self, token: Token) -> Result<bool> {
        self.reactor.is_registered(token)
    }

    /// True if the next turn reports a stale registration.
    #[must_use]
    pub fn has_stale(&self) -> bool {
        self.reactor.has_stale()
    }

    /// The source of a registration; see [`Reactor::source`].
    #[must_use]
    pub fn source(&self, token: Token) -> Option<&S> {
        self.reactor.source(token)
    }

    /// A source has been drained; see [`Reactor::drained`].
    pub fn drained(&mut self, token: Token, readiness: Readiness) {
        self.reactor.drained(token, readiness);
    }

    /// Whether registrations that are gone keep reporting, each time for an empty turn:
    /// [`rebuild`](Self::rebuild) gets rid of them. See the module of the reactor.
    #[must_use]
    pub fn needs_rebuild(&self) -> bool {
        self.reactor.needs_rebuild()
    }

    /// Replaces the set by a new one with the same sources, alarm and waker. `watch` gets the
    /// descriptor of the new set before the old one is closed: who watches the loop moves over.
    ///
    /// # Errors
    ///
    /// `EMFILE` and the like, or of `watch`: two descriptors are needed beside what `watch` needs.
    /// The old set then serves on, and the loop [needs a rebuild](Self::needs_rebuild) again after a
    /// few more such reports.
    pub fn rebuild(&mut self, watch: impl FnOnce(RawFd) -> io::Result<()>) -> Result<()> {
        let mut waker = None;
        let alarm = &self.alarm;
        self.reactor.rebuild(|poll| {
            alarm.register(poll.registry())?;
            waker = Some(mio::Waker::new(poll.registry(), WAKE)?);
            watch(poll.as_raw_fd())
        })?;
        if let Some(waker) = waker {
            self.inbox.replace_waker(waker);
        }
        Ok(())
    }

    fn collect_commands(&self, turn: &mut Turn<C>) {
        turn.commands.clear();
        self.inbox.drain(&mut turn.commands);
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
        let work = !turn.commands.is_empty() || !turn.due.is_empty();
        let wait = if work {
            Some(Duration::ZERO)
        } else {
            self.wait(now, max_wait)
        };
        let signals = self.reactor.turn(wait, &mut turn.ready);
        if signals.alarm {
            self.alarm.fired();
        }
        turn.more = signals.more || turn.due.len() == self.budgets.timers;
        signals.failure.map_or(Ok(()), |error| Err(error.into()))
    }

    fn wait(&self, now: u64, max_wait: Option<Duration>) -> Option<Duration> {
        let deadline = self.next_wake(now).map(|wake| wake.saturating_sub(now));
        match (deadline.map(Duration::from_nanos), max_wait) {
            (Some(deadline), Some(max_wait)) => Some(deadline.min(max_wait)),
            (deadline, max_wait) => deadline.or(max_wait),
        }
    }
}

impl<S, C> AsRawFd for EventLoop<S, C> {
    /// Readable while a turn has something to collect: a guest in another loop watches it. The
    /// ready list does not show in it; see [`Reactor`].
    fn as_raw_fd(&self) -> RawFd {
        self.reactor.as_raw_fd()
    }
}

/// How much one turn collects: a storm of timers or events shares the thread with everybody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budgets {
    /// Most timers that fire in one turn, at least 1.
    pub timers: usize,
    /// Most events taken from the selector, and most sources of the ready list asked again.
    pub events: usize,
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
        }
    }
}

/// Timers that fire in one turn before [`TIMER_SLACK`] applies. Without slack, 10^5 timers that are
/// due over the next moments would cause a turn every few microseconds.
pub const SLACK_BURST: usize = 16;

/// Longest delay of timers that are due after a burst, in ticks: a millisecond.
pub const TIMER_SLACK: u64 = 1_000_000;

/// Whether the set can wake at a deadline by itself; if not, who watches it has to do that at
/// [`EventLoop::next_wake`].
pub const HAS_ALARM: bool = Alarm::EXISTS;
