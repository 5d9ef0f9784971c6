//! The load of one thread: its connections and the times of its messages.

use std::io;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::{Events, Interest, Poll, Registry, Token};

use crate::connection::Connection;
use crate::options::Options;
use crate::outcome::{Outcome, new_histogram};

pub struct Load<'a> {
    options: &'a Options,
    connections: Vec<Connection>,
    poll: Poll,
    events: Events,
    /// Indices of ready connections. Kept for its capacity.
    ready: Vec<usize>,
    scratch: Vec<u8>,
    messages: u64,
    latency: Histogram<u64>,
    waited: Duration,
}

impl<'a> Load<'a> {
    pub fn open(options: &'a Options, count: usize) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut connections = Vec::with_capacity(count);
        for index in 0..count {
            let mut connection = Connection::open(options)?;
            register(poll.registry(), &mut connection, index)?;
            connections.push(connection);
        }
        Ok(Self {
            options,
            connections,
            poll,
            events: Events::with_capacity(1024),
            ready: Vec::new(),
            scratch: vec![0; options.size.max(1 << 16)],
            messages: 0,
            latency: new_histogram(),
            waited: Duration::ZERO,
        })
    }

    /// Warms up and measures, at the same time as the other threads. `rate` is this thread's share.
    pub fn run(mut self, rate: f64, together: &Barrier) -> io::Result<Outcome> {
        together.wait();
        let warm = self.for_time(rate, self.options.warmup);
        // A thread that failed does not leave the others waiting.
        together.wait();
        warm?;
        self.messages = 0;
        self.latency.reset();
        self.waited = Duration::ZERO;
        let started = Instant::now();
        let offered = self.for_time(rate, self.options.seconds)?;
        let elapsed = started.elapsed();
        if rate > 0.0 {
            // Without them, messages that were never answered would improve the result.
            for connection in &self.connections {
                connection.record_unanswered(&mut self.latency);
            }
        }
        let lost = self
            .connections
            .iter()
            .filter(|one| one.is_broken())
            .count();
        Ok(Outcome {
            messages: self.messages,
            offered,
            elapsed,
            lost: lost as u64,
            latency: self.latency,
            busy: 1.0 - self.waited.as_secs_f64() / elapsed.as_secs_f64(),
        })
    }

    fn for_time(&mut self, rate: f64, duration: Duration) -> io::Result<u64> {
        let end = Instant::now() + duration;
        if rate > 0.0 {
            self.open_loop(rate, end)
        } else {
            self.closed_loop(end)
        }
    }

    /// The closed loop: the full number of messages under way, and each answer sends the next one.
    fn closed_loop(&mut self, end: Instant) -> io::Result<u64> {
        for index in 0..self.connections.len() {
            self.refill(index)?;
        }
        loop {
            let now = Instant::now();
            if now >= end {
                return Ok(0);
            }
            self.turn(Some(end - now))?;
        }
    }

    /// The open loop: a message at each due time, to the connections in turn, however late the
    /// answers are. Latency counts from the due time, so a stall of the server counts for all messages
    /// that were due in it (no coordinated omission). Spins, since `epoll_wait` has a resolution of a
    /// millisecond.
    fn open_loop(&mut self, rate: f64, end: Instant) -> io::Result<u64> {
        let started = Instant::now();
        let mut offered: u64 = 0;
        loop {
            let now = Instant::now();
            if now >= end {
                return Ok(offered);
            }
            #[allow(clippy::cast_precision_loss)] // 2^53 messages are enough.
            let due = |count: u64| started + Duration::from_secs_f64(count as f64 / rate);
            while due(offered) <= now {
                let index = usize::try_from(offered).unwrap_or(0) % self.connections.len();
                let connection = &mut self.connections[index];
                connection.send(due(offered));
                connection.flush()?;
                offered += 1;
            }
            self.turn(Some(Duration::ZERO))?;
        }
    }

    fn turn(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let before = Instant::now();
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        self.waited += before.elapsed();
        let mut ready = std::mem::take(&mut self.ready);
        ready.extend(self.events.iter().map(|event| event.token().0));
        for index in ready.drain(..) {
            let connection = &mut self.connections[index];
            let answers = connection.receive(&mut self.scratch, &mut self.latency)?;
            self.messages += answers;
            if self.options.cycle && answers > 0 {
                connection.begin_anew(self.options)?;
                register(self.poll.registry(), connection, index)?;
            }
            if self.options.rate > 0.0 {
                self.connections[index].flush()?;
            } else {
                self.refill(index)?;
            }
        }
        self.ready = ready;
        Ok(())
    }

    fn refill(&mut self, index: usize) -> io::Result<()> {
        let connection = &mut self.connections[index];
        while connection.under_way() < self.options.depth {
            connection.send(Instant::now());
        }
        connection.flush()
    }
}

fn register(registry: &Registry, connection: &mut Connection, index: usize) -> io::Result<()> {
    let interest = Interest::READABLE | Interest::WRITABLE;
    registry.register(connection.source(), Token(index), interest)
}
