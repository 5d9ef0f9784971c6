//! Passages between two sockets of a loop, whose bytes move without JavaScript: in a turn of the loop, and
//! when its selector is readable, before JavaScript is called.
//!
//! | State | Readiness of both sockets, and the pipe | Next |
//! | --- | --- | --- |
//! | runs | belong to the passage: JavaScript is reported neither `READABLE` of the source nor `WRITABLE` of the sink | over: EOF, a failure, a hang-up, an urgent mark; ended: `passageEnd` |
//! | over | are JavaScript's, as its source is reported readable | ended |
//! | ended | | none |
//!
//! JavaScript ends a passage before it uses what belongs to it. A registration that ends takes the
//! passage with it: it names its sockets by tokens, and moves nothing without both.

use std::collections::HashMap;

use ioloop::net::{Passage, Progress, Report};
use ioloop::reactor::{Event, Readiness, Token};
use ioloop::{Error, Result};
use napi::bindgen_prelude::External;
use rustix::io::Errno;

use crate::fd::JsFd;
use crate::glue::glue;
use crate::native_loop::{Core, NativeLoop};

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

glue! {
    "`passageBegin(loop, source, sink, pipe, held, budget, least)`: moves bytes from the registration"
    "`source` to the registration `sink`, both edge-triggered sockets, through the pipe with these ends."
    "All passages share `budget` bytes of a turn, about, of which each has `least`. The pipe has `held`"
    "bytes, for which the sink had no room; without any, the source was drained. The number of the"
    "passage, or a negative errno."
    passageBegin(
        handle: &External<NativeLoop>,
        source: u32,
        sink: u32,
        pipe: &mut [i32],
        held: u32,
        budget: u32,
        least: u32,
    ) {
        let [reader, writer] = pipe else {
            return Err(Errno::INVAL.into());
        };
        let pipe = (JsFd::new(*writer)?, JsFd::new(*reader)?);
        handle.with(|open| {
            let reactor = open.core.reactor();
            let token = |index| reactor.token_at(index).ok_or(Error::Unknown);
            open.passages.begin(Entry {
                source: token(source)?,
                sink: token(sink)?,
                pipe,
                share: Share {
                    budget: budget as usize,
                    least: (least as usize).max(1),
                },
                passage: Passage::new(held as usize),
                state: State::Waiting,
            })
        })
    }
}

glue! {
    "`passageReport(loop, passage, isEnd, report)`: writes to `report` the bytes that have left the source,"
    "and those that the sink has taken, since the last report; the bytes in the pipe; the negative errnos"
    "of the source and of the sink after these bytes, or 0, which are not reported again. With `isEnd`,"
    "which is not 0 then, the passage ends, and everything belongs to the caller again. 0, or a negative"
    "errno: `-EBADF` if the loop is closed."
    passageReport(handle: &External<NativeLoop>, passage: u32, is_end: u32, report: &mut [f64]) {
        let [taken, sent, held, failure, sink_failure] = report else {
            return Err(Errno::INVAL.into());
        };
        let place = passage as usize;
        let found = handle.with(|open| {
            if is_end != 0 {
                return open.passages.end(place);
            }
            let entry = open.passages.entries.get_mut(place).and_then(Option::as_mut);
            Ok(entry.ok_or(Error::Unknown)?.passage.report())
        })?;
        *taken = count(found.taken);
        *sent = count(found.sent);
        *held = count(found.held);
        *failure = negative(found.failure);
        *sink_failure = negative(found.sink_failure);
        Ok(())
    }
}

glue! {
    "`passageHeed(loop, index)`: reports room of the registration `index`, which is the source of a"
    "passage: otherwise its owner has nothing that waits for room. 0, or a negative errno."
    passageHeed(handle: &External<NativeLoop>, index: u32) {
        handle.with(|open| {
            let token = open.core.reactor().token_at(index).ok_or(Error::Unknown)?;
            let roles = open.passages.by_token.get_mut(&token);
            roles.ok_or(Error::Unknown)?.heeds = true;
            Ok(())
        })
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a number of bytes, far below 2^53"
)]
fn count(bytes: usize) -> f64 {
    bytes as f64
}

fn negative(failure: Option<Errno>) -> f64 {
    failure.map_or(0.0, |error| -f64::from(error.raw_os_error()))
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
