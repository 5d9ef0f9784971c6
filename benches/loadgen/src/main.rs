//! A load generator that checks every byte that comes back.
//!
//! ```text
//! loadgen --port 8888 --connections 50 --size 64 --depth 1 --warmup 0.5 --seconds 2
//! ```
//!
//! In the closed loop each connection has a fixed number of messages under way and sends the next
//! one when an answer is complete. With `--rate 20000` so many messages a second are sent, whether
//! or not answers come, and latency counts from when each was due.
//!
//! With `--lines 16` a message is so many lines, with `--http` a GET request, with `--cycle` each
//! answer ends its connection. With `--idle 10000` so many connections are opened first, a line of
//! JSON tells when they are, and they stay silent until the end. With `--slow 100` so many
//! connections send without end and hardly read.
//!
//! Prints one line of JSON. Runs as many threads as it has cores, each with connections of its own.

mod answer;
mod connection;
mod load;
mod options;
mod outcome;
mod slow;

use std::io;
use std::process::ExitCode;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use mio::net::TcpStream;

use connection::{Connect, connect};
use load::Load;
use options::Options;
use outcome::Outcome;

fn main() -> ExitCode {
    let options = match Options::parse() {
        Ok(options) => options,
        Err(message) => return fail(&message),
    };
    match run(&options) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error.to_string()),
    }
}

fn run(options: &Options) -> io::Result<String> {
    let _silent = open_silent(options)?;
    let end = AtomicBool::new(false);
    thread::scope(|scope| {
        let slow = scope.spawn(|| slow::sip(options, &end));
        let outcome = run_threads(options);
        end.store(true, Ordering::Relaxed);
        let swallowed = slow.join().expect("a panic was printed")?;
        Ok(outcome?.to_json(swallowed))
    })
}

fn run_threads(options: &Options) -> io::Result<Outcome> {
    let Options {
        threads,
        connections,
        rate,
        ..
    } = *options;
    // Opened one after the other: what one fails to do, the others need not wait for.
    let loads = (0..threads)
        .map(|index| {
            let count = connections / threads + usize::from(index < connections % threads);
            Ok((count, Load::open(options, count)?))
        })
        .collect::<io::Result<Vec<_>>>()?;
    let together = Barrier::new(threads);
    thread::scope(|scope| {
        let running: Vec<_> = loads
            .into_iter()
            .map(|(count, load)| {
                #[allow(clippy::cast_precision_loss)] // Counts of connections are small.
                let share = rate * count as f64 / connections as f64;
                let together = &together;
                scope.spawn(move || load.run(share, together))
            })
            .collect();
        let mut outcomes = Vec::with_capacity(threads);
        for thread in running {
            outcomes.push(thread.join().expect("a panic was printed")?);
        }
        let together = outcomes.into_iter().reduce(|sum, next| sum.and(&next));
        Ok(together.expect("there is a thread"))
    })
}

/// Connections that do nothing. Held until they are dropped.
fn open_silent(options: &Options) -> io::Result<Vec<TcpStream>> {
    let silent = (0..options.idle)
        .map(|_| connect(options, Connect::Wait))
        .collect::<io::Result<Vec<_>>>()?;
    if options.idle > 0 {
        println!(r#"{{"idle":{}}}"#, silent.len());
        // Whoever measures the server goes on when it has done so.
        io::stdin().read_line(&mut String::new())?;
    }
    Ok(silent)
}

fn fail(message: &str) -> ExitCode {
    eprintln!("loadgen: {message}");
    ExitCode::FAILURE
}
