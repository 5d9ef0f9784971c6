//! Another native thread posts to a loop, as that of another addon or library would.
//!
//! ```text
//! cargo run -p ioloop --example post_from_a_thread
//! ```

use std::os::fd::OwnedFd;
use std::thread;

use ioloop::remote::PostError;
use ioloop::{EventLoop, LoopHandle, Turn};

/// A command: any type that is `Send`.
enum Command {
    Measured(u32),
    Done,
}

#[expect(clippy::print_stdout, reason = "the output of the program")]
fn main() -> ioloop::Result<()> {
    let mut event_loop = EventLoop::<OwnedFd, Command>::new()?;
    let handle = event_loop.handle()?;
    let sensor = thread::spawn(move || measure(&handle));

    let mut turn = Turn::default();
    let mut is_done = false;
    while !is_done {
        // Sleeps until a post wakes it.
        event_loop.turn(0, None, &mut turn)?;
        for command in turn.commands.drain(..) {
            match command {
                Command::Measured(value) => println!("measured {value}"),
                Command::Done => is_done = true,
            }
        }
    }
    let _panicked = sensor.join();
    Ok(())
}

/// The other thread. It has a clone of the handle, and nothing else of the loop.
fn measure(handle: &LoopHandle<Command>) {
    for value in 0..3 {
        if !post(handle, Command::Measured(value)) {
            return;
        }
    }
    post(handle, Command::Done);
}

/// Whether the loop is open. Waits while its inbox is full.
fn post(handle: &LoopHandle<Command>, mut command: Command) -> bool {
    loop {
        command = match handle.post(command) {
            Ok(()) => return true,
            Err(PostError::Closed(_)) => return false,
            Err(PostError::Full(command)) => command,
        };
        thread::yield_now();
    }
}
