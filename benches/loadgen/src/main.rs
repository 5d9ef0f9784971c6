//! A closed-loop load generator: each connection has a fixed number of messages under way and sends
//! the next one when an echo is complete. Every byte that comes back is compared.
//!
//! ```text
//! loadgen --port 8888 --connections 50 --size 64 --depth 1 --warmup 0.5 --seconds 2
//! ```
//!
//! With `--lines 16` a message is so many lines. With `--idle 10000` so many connections are opened
//! first, a line of JSON tells when they are, and they stay silent until the end.
//!
//! Prints one line of JSON. Runs on one thread, with mio; a bare epoll loop would be no faster.

mod connection;
mod options;

use std::io;
use std::net::{Ipv4Addr, TcpStream};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::{Events, Interest, Poll, Token};

use connection::Connection;
use options::Options;

fn main() -> ExitCode {
    let options = match Options::parse() {
        Ok(options) => options,
        Err(message) => return fail(&message),
    };
    match run(&options) {
        Ok(outcome) => {
            println!("{}", outcome.to_json());
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error.to_string()),
    }
}

/// What came back between the end of the warm-up and the end of the run.
struct Outcome {
    messages: u64,
    elapsed: Duration,
    lost: u64,
    latency: Histogram<u64>,
    /// Part of the time that the generator had work: near 1 it is the bottleneck itself.
    busy: f64,
}

fn run(options: &Options) -> io::Result<Outcome> {
    let _silent = open_silent(options)?;
    let mut poll = Poll::new()?;
    let mut connections = Vec::with_capacity(options.connections);
    for index in 0..options.connections {
        let mut connection = Connection::open(options)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        poll.registry()
            .register(connection.source(), Token(index), interest)?;
        connections.push(connection);
    }
    let mut load = Load::new(options);
    load.turn_until(&mut poll, &mut connections, options.warmup)?;
    load.reset();
    let started = Instant::now();
    load.turn_until(&mut poll, &mut connections, options.seconds)?;
    let elapsed = started.elapsed();
    let busy = 1.0 - load.waited.as_secs_f64() / elapsed.as_secs_f64();
    let lost = connections
        .iter()
        .filter(|connection| connection.is_broken())
        .count() as u64;
    Ok(Outcome {
        messages: load.messages,
        elapsed,
        lost,
        latency: load.latency,
        busy,
    })
}

/// Connections that do nothing. Held until they are dropped.
fn open_silent(options: &Options) -> io::Result<Vec<TcpStream>> {
    let open = || TcpStream::connect((Ipv4Addr::LOCALHOST, options.port));
    let silent = (0..options.idle)
        .map(|_| open())
        .collect::<io::Result<Vec<_>>>()?;
    if options.idle > 0 {
        println!(r#"{{"idle":{}}}"#, silent.len());
        // Whoever measures the server goes on when it has done so.
        io::stdin().read_line(&mut String::new())?;
    }
    Ok(silent)
}

/// The counters of a run, and what all connections share.
struct Load {
    messages: u64,
    latency: Histogram<u64>,
    waited: Duration,
    scratch: Vec<u8>,
}

impl Load {
    fn new(options: &Options) -> Self {
        Self {
            messages: 0,
            latency: Histogram::new_with_bounds(1, 60_000_000_000, 3)
                .expect("a minute in nanoseconds, to three digits"),
            waited: Duration::ZERO,
            scratch: vec![0; options.size.max(1 << 16)],
        }
    }

    fn reset(&mut self) {
        self.messages = 0;
        self.latency.reset();
        self.waited = Duration::ZERO;
    }

    fn turn_until(
        &mut self,
        poll: &mut Poll,
        connections: &mut [Connection],
        duration: Duration,
    ) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        let end = Instant::now() + duration;
        loop {
            let before = Instant::now();
            if before >= end {
                return Ok(());
            }
            poll.poll(&mut events, Some(end - before))?;
            self.waited += before.elapsed();
            for event in &events {
                let connection = &mut connections[event.token().0];
                self.messages += connection.ready(&mut self.scratch, &mut self.latency)?;
            }
        }
    }
}

impl Outcome {
    fn to_json(&self) -> String {
        let micros = |quantile| {
            Duration::from_nanos(self.latency.value_at_quantile(quantile)).as_secs_f64() * 1e6
        };
        format!(
            r#"{{"messages":{},"seconds":{:.6},"lost":{},"p50":{:.3},"p99":{:.3},"p999":{:.3},"busy":{:.3}}}"#,
            self.messages,
            self.elapsed.as_secs_f64(),
            self.lost,
            micros(0.5),
            micros(0.99),
            micros(0.999),
            self.busy,
        )
    }
}

fn fail(message: &str) -> ExitCode {
    eprintln!("loadgen: {message}");
    ExitCode::FAILURE
}
