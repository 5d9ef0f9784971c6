//! One turn of the reactor: recheck the ready list, wait, and merge the events of both.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use super::entry::{Entry, live, to_index};
use super::selector::{HAS_EDGES, is_gone};
use super::{ALARM, Event, Reactor, Readiness, Signals, Token, WAKE};

impl<S: AsFd> Reactor<S> {
    /// Waits for readiness for at most `max_wait` (`None`: no limit), and replaces the contents of
    /// `events` by the ready sources. Does not wait while the ready list has sources or a stale
    /// registration is to be reported. A signal (`EINTR`) ends the wait without an error.
    pub(crate) fn turn(&mut self, max_wait: Option<Duration>, events: &mut Vec<Event>) -> Signals {
        events.clear();
        self.ready.remove_drained(&mut self.entries);
        let wait = if self.ready.is_empty() && self.stale.is_empty() {
            max_wait
        } else {
            Some(Duration::ZERO)
        };
        let mut signals = Signals::default();
        if !self.ready.is_empty() {
            signals.failure = self.recheck(events).err();
            signals.more = !self.ready.is_empty();
        }
        if let Err(error) = self.collect(wait, events, &mut signals) {
            signals.failure.get_or_insert(error);
        }
        self.list(events);
        if !self.stale.is_empty() {
            self.report_stale(events);
        }
        signals
    }

    fn recheck(&mut self, events: &mut Vec<Event>) -> io::Result<()> {
        // Stale registrations have their share of the turn.
        let budget = self.event_budget.saturating_sub(self.stale.len());
        let Ok(found) = self.ready.recheck(&mut self.entries, budget) else {
            return self.recheck_by_modify(budget);
        };
        let mut failure = None;
        for found in found {
            let Some(entry) = live(&mut self.entries, found.token) else {
                continue;
            };
            let current = !found.closed
                && entry
                    .is_current(&self.selector, found.token)
                    .unwrap_or_else(|error| {
                        // Not verifiable now: keep the registration and the report.
                        failure = Some(error);
                        true
                    });
            if current {
                report(entry, events, found.token, found.readiness);
            } else {
                self.remove_stale(found.token);
            }
        }
        failure.map_or(Ok(()), Err)
    }

    /// [`recheck`](Self::recheck) without `poll(2)`, which fails with `EINVAL` for more sources
    /// than `RLIMIT_NOFILE`, and with `ENOMEM`. Modifying a registration makes the selector report
    /// it again, at a system call per source.
    #[cold]
    fn recheck_by_modify(&mut self, budget: usize) -> io::Result<()> {
        let mut failure = None;
        for token in self.ready.take(&mut self.entries, budget) {
            let Some(entry) = live(&mut self.entries, token) else {
                continue;
            };
            let Some(renewed) = self.selector.renew(entry, token) else {
                continue;
            };
            match renewed {
                Ok(()) => entry.pending = Readiness::empty(),
                Err(error) if is_gone(&error) => self.remove_stale(token),
                Err(error) => {
                    entry.listed = true;
                    self.ready.push(token);
                    failure = Some(error);
                }
            }
        }
        failure.map_or(Ok(()), Err)
    }

    fn collect(
        &mut self,
        wait: Option<Duration>,
        events: &mut Vec<Event>,
        signals: &mut Signals,
    ) -> io::Result<()> {
        match self.selector.poll(&mut self.entries, wait) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        signals.more |= self.selector.is_cut();
        let mut stale = Vec::new();
        for (name, readiness) in self.selector.events() {
            match name {
                WAKE => signals.woken = true,
                ALARM => signals.alarm = true,
                name => {
                    let token = Token::from_mio(name);
                    let Some(entry) = live(&mut self.entries, token) else {
                        self.stale_events = self.stale_events.saturating_add(1);
                        continue;
                    };
                    if entry.is_stale(&self.selector, token) {
                        stale.push(token);
                        continue;
                    }
                    report(entry, events, token, readiness);
                }
            }
        }
        for token in stale {
            self.stale_events = self.stale_events.saturating_add(1);
            self.remove_stale(token);
        }
        Ok(())
    }

    /// Puts the reported level-triggered sources on the ready list, until they are drained.
    fn list(&mut self, events: &[Event]) {
        for event in events {
            let Some(entry) = live(&mut self.entries, event.token) else {
                continue;
            };
            entry.collected = 0;
            // Without edges the next wait reports it again by itself.
            if entry.interest.is_edge() || !HAS_EDGES {
                continue;
            }
            entry.pending = event.readiness;
            if !entry.listed {
                entry.listed = true;
                self.ready.push(event.token);
            }
        }
    }
}

/// Adds `readiness` to the event of `entry`, the registration of `token`.
fn report<S>(entry: &mut Entry<S>, events: &mut Vec<Event>, token: Token, readiness: Readiness) {
    let readiness = readiness.of_interest(entry.interest);
    if readiness.is_empty() {
        return;
    }
    if entry.collected > 0 {
        events[entry.collected as usize - 1].readiness |= readiness;
        return;
    }
    events.push(Event { token, readiness });
    entry.collected = to_index(events.len());
}
