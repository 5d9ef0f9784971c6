//! Passages between two sockets of a loop, whose bytes move without JavaScript: in a turn of the loop, and
//! when its selector is readable, before JavaScript is called.
//!
//! | State | Readiness of both sockets, and the pipe | Next |
//! | --- | --- | --- |
//! | waiting, runnable | belong to the passage: JavaScript is reported neither `READABLE` of the source nor `WRITABLE` of the sink | over: EOF, a failure, a hang-up, an urgent mark; ended: `passageReport` |
//! | over, reported | are JavaScript's, as its source is reported readable: in this run, or in the next one with room | ended |
//! | ended | | none |
//!
//! JavaScript ends a passage before it uses what belongs to it. A registration that ends takes the
//! passage with it: it names its sockets by tokens, and moves nothing without both.

mod exports;

use std::collections::HashMap;

use ioloop::net::{Passage, Progress, Report};
use ioloop::reactor::{Event, Readiness, Token};
use ioloop::{Error, Result};
use rustix::io::Errno;

use crate::fd::JsFd;
use crate::native_loop::Core;

/// The passages of a loop.
#[derive(Default)]
pub(crate) struct Passages {
    /// A free place is `None`: there are few.
    entries: Vec<Option<Entry>>,
    by_token: HashMap<Token, Roles>,
}

struct Entry {
    source: Token,
    sink: Token,
    /// Writing end, reading end.
    pipe: (JsFd, JsFd),
    share: Share,
    passage: Passage,
    state: State,
}

/// Bytes that all passages move in one run, about, and each of them at least.
#[derive(Clone, Copy)]
struct Share {
    budget: usize,
    least: usize,
}

impl Share {
    /// That of one of so many.
    fn of(self, users: usize) -> usize {
        self.least.max(self.budget / users.max(1))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    /// A socket is ready, or a run was cut.
    Runnable,
    /// Over; its source is still to be reported.
    Over,
    Reported,
}

impl Entry {
    fn is_running(&self) -> bool {
        matches!(self.state, State::Waiting | State::Runnable)
    }
}

/// The passages of one socket, by their places.
#[derive(Clone, Copy, Default)]
struct Roles {
    source: Option<usize>,
    sink: Option<usize>,
    /// Its owner waits for room: `WRITABLE` is reported, also without a passage to it.
    heeds: bool,
}

impl Passages {
    pub(crate) fn is_empty(&self) -> bool {
        self.by_token.is_empty()
    }

    fn begin(&mut self, entry: Entry) -> Result<usize> {
        let free = self.entries.iter().position(Option::is_none);
        let place = free.unwrap_or(self.entries.len());
        let is_taken = |token, role: fn(&Roles) -> Option<usize>| {
            self.by_token.get(&token).and_then(role).is_some()
        };
        if is_taken(entry.source, |roles| roles.source) || is_taken(entry.sink, |roles| roles.sink)
        {
            return Err(Errno::BUSY.into());
        }
        self.by_token.entry(entry.source).or_default().source = Some(place);
        self.by_token.entry(entry.sink).or_default().sink = Some(place);
        if place == self.entries.len() {
            self.entries.push(None);
        }
        self.entries[place] = Some(entry);
        Ok(place)
    }

    fn end(&mut self, place: usize) -> Result<Report> {
        let entry = self.entries.get_mut(place).and_then(Option::take);
        let mut entry = entry.ok_or(Error::Unknown)?;
        if let Some(roles) = self.by_token.get_mut(&entry.source) {
            roles.source = None;
            roles.heeds = false;
        }
        if let Some(roles) = self.by_token.get_mut(&entry.sink) {
            roles.sink = None;
        }
        for token in [entry.source, entry.sink] {
            let has_roles = |roles: &Roles| roles.source.is_some() || roles.sink.is_some();
            if !self.by_token.get(&token).is_some_and(has_roles) {
                self.by_token.remove(&token);
            }
        }
        Ok(entry.passage.report())
    }

    /// Takes what belongs to passages out of `ready`, and moves bytes. At most `room` sources are reported.
    /// Whether a run was cut, which the next call continues.
    pub(crate) fn run(&mut self, core: &Core, ready: &mut Vec<Event>, room: usize) -> bool {
        if self.is_empty() {
            return false;
        }
        ready.retain_mut(|event| {
            event.readiness = self.take(*event);
            !event.readiness.is_empty()
        });
        let is_runnable = |entry: &&Entry| entry.state == State::Runnable;
        let users = self.entries.iter().flatten().filter(is_runnable).count();
        let mut is_cut = false;
        for entry in self.entries.iter_mut().flatten() {
            if entry.state == State::Runnable {
                entry.run(core, users);
            }
            if entry.state == State::Over {
                entry.report(core, ready, room);
            }
            is_cut |= matches!(entry.state, State::Runnable | State::Over);
        }
        is_cut
    }

    /// What is left of the readiness of an event.
    fn take(&mut self, Event { token, readiness }: Event) -> Readiness {
        let Some(&roles) = self.by_token.get(&token) else {
            return readiness;
        };
        let mut left = readiness;
        if let Some(entry) = running(&mut self.entries, roles.source) {
            if readiness.intersects(ENDS_SOURCE) {
                entry.state = State::Over;
            } else if readiness.contains(Readiness::READABLE) {
                entry.passage.on_readable();
                entry.state = State::Runnable;
                left.remove(Readiness::READABLE);
            }
            if !roles.heeds {
                // Each event has it. Its owner has nothing that waits for room.
                left.remove(Readiness::WRITABLE);
            }
        }
        if let Some(entry) = running(&mut self.entries, roles.sink) {
            if readiness.intersects(ENDS_SINK) {
                entry.state = State::Over;
            } else if readiness.contains(Readiness::WRITABLE) {
                entry.passage.on_writable();
                entry.state = State::Runnable;
                left.remove(Readiness::WRITABLE);
            }
        }
        left
    }
}

fn running(entries: &mut [Option<Entry>], place: Option<usize>) -> Option<&mut Entry> {
    entries
        .get_mut(place?)?
        .as_mut()
        .filter(|entry| entry.is_running())
}

impl Entry {
    fn run(&mut self, core: &Core, users: usize) {
        let reactor = core.reactor();
        let (Some(&source), Some(&sink)) = (reactor.source(self.source), reactor.source(self.sink))
        else {
            self.state = State::Over;
            return;
        };
        let (writer, reader) = self.pipe;
        let progress =
            self.passage
                .run(source, (writer, reader), sink, PIECE, self.share.of(users));
        self.state = match progress {
            Progress::Waits => State::Waiting,
            Progress::More => State::Runnable,
            Progress::Ended => State::Over,
        };
    }

    /// Reports its source to JavaScript, which reads it, and so ends the passage.
    fn report(&mut self, core: &Core, ready: &mut Vec<Event>, room: usize) {
        let token = self.source;
        let readiness = Readiness::READABLE;
        if core.reactor().source(token).is_none() {
            // Its owner has ended the registration, and ends the passage.
        } else if let Some(event) = ready.iter_mut().find(|event| event.token == token) {
            event.readiness |= readiness;
        } else if ready.len() < room {
            ready.push(Event { token, readiness });
        } else {
            return;
        }
        self.state = State::Reported;
    }
}

/// What JavaScript has to find out by itself.
const ENDS_SOURCE: Readiness = Readiness::PRIORITY
    .union(Readiness::READ_CLOSED)
    .union(ENDS_SINK);
const ENDS_SINK: Readiness = Readiness::ERROR
    .union(Readiness::HANG_UP)
    .union(Readiness::STALE);

/// Bytes that fill a pipe.
const PIECE: usize = 256 * 1024;
