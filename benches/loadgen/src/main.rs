//! A load generator that checks every byte of the answers.
//!
//! ```text
//! loadgen --port 8888 --connections 50 --size 64 --depth 1 --warmup 0.5 --seconds 2
//! ```
//!
//! In the closed loop, each connection has a fixed number of messages under way and sends the next
//! one when an answer is complete. In the open loop (`--rate 20000`, messages a second), sending does
//! not wait for answers, and latency counts from when a message was due.
//!
//! - `--lines 16`: a message is 16 lines.
//! - `--http`: a message is a GET request.
//! - `--cycle`: each answer ends its connection.
//! - `--idle 10000`: opens 10,000 silent connections first, and prints a line of JSON when they are
//!   open.
//! - `--slow 100`: 100 further connections send without end and hardly read.
//!
//! Prints one line of JSON. Runs a thread per core, each with its own connections.

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
    // Opened before the threads start: a failure leaves no thread waiting.
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
        // The measuring program writes a line when it has measured the server.
        io::stdin().read_line(&mut String::new())?;
    }
    Ok(silent)
}

fn fail(message: &str) -> ExitCode {
    eprintln!("loadgen: {message}");
    ExitCode::FAILURE
}
