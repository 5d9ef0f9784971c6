//! Every interleaving of posting, draining and closing, by loom.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test -p ioloop --test loom_inbox
//! ```
#![cfg(loom)]

use std::io;

use ioloop::remote::{self, Closed, Inbox, LoopHandle, Wake};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

/// A bell: counts its rings, and how many of them the loop has not answered yet.
#[derive(Clone)]
struct Bell {
    rings: Arc<AtomicUsize>,
}

impl Bell {
    fn new() -> Self {
        Self {
            rings: Arc::new(AtomicUsize::new(0)),
        }
    }

    fn rings(&self) -> usize {
        self.rings.load(Ordering::SeqCst)
    }
}

impl Wake for Bell {
    fn wake(&self) -> io::Result<()> {
        self.rings.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

fn channel() -> (LoopHandle<usize, Bell>, Inbox<usize, Bell>, Bell) {
    let bell = Bell::new();
    let (handle, inbox) = remote::channel(bell.clone());
    (handle, inbox, bell)
}

fn drain(inbox: &Inbox<usize, Bell>) -> Vec<usize> {
    let mut commands = Vec::new();
    inbox.drain(&mut commands);
    commands
}

#[test]
fn a_post_behind_a_drain_rings_again() {
    loom::model(|| {
        let (handle, inbox, bell) = channel();
        let poster = thread::spawn(move || {
            handle.post(1).unwrap();
            handle.post(2).unwrap();
        });
        // A loop that sleeps unless it was rung: what it drains must be everything that was rung
        // for, and what comes later must ring again.
        let before = bell.rings();
        let mut seen = drain(&inbox);
        let after = bell.rings();
        poster.join().unwrap();
        let left = drain(&inbox);
        if !left.is_empty() {
            assert!(
                bell.rings() > before || after > before,
                "a post was left without a ring"
            );
        }
        seen.extend(left);
        assert_eq!(seen, [1, 2]);
    });
}

#[test]
fn a_sleeping_loop_is_rung_for_what_it_has_not_seen() {
    loom::model(|| {
        let (handle, inbox, bell) = channel();
        let poster = thread::spawn(move || handle.post(7).unwrap());
        let first = drain(&inbox);
        poster.join().unwrap();
        if first.is_empty() {
            // It came behind the drain: it rang, and the ring is still outstanding.
            assert_eq!(bell.rings(), 1);
            assert_eq!(drain(&inbox), [7]);
        } else {
            assert_eq!(first, [7]);
        }
    });
}

#[test]
fn many_posts_between_two_drains_ring_once() {
    loom::model(|| {
        let (handle, inbox, bell) = channel();
        let other = handle.clone();
        let poster = thread::spawn(move || {
            other.post(1).unwrap();
            other.wake();
        });
        handle.post(2).unwrap();
        poster.join().unwrap();
        assert_eq!(bell.rings(), 1);
        let mut commands = drain(&inbox);
        commands.sort_unstable();
        assert_eq!(commands, [1, 2]);
    });
}

#[test]
fn a_command_is_either_drained_or_given_back_or_dropped_with_the_inbox() {
    loom::model(|| {
        let (handle, inbox, _bell) = channel();
        let poster = thread::spawn(move || handle.post(1));
        let drained = drain(&inbox);
        drop(inbox);
        match poster.join().unwrap() {
            Err(Closed(command)) => {
                assert_eq!(command, 1);
                assert!(drained.is_empty());
            }
            Ok(()) => assert!(drained.is_empty() || drained == [1]),
        }
    });
}

#[test]
fn a_waker_that_is_replaced_hears_of_what_the_old_one_was_rung_for() {
    loom::model(|| {
        let (handle, inbox, old) = channel();
        let new = Bell::new();
        let poster = thread::spawn(move || handle.post(1).unwrap());
        inbox.replace_waker(new.clone());
        poster.join().unwrap();
        assert_eq!(new.rings(), 1, "the old one was rung {} times", old.rings());
        assert_eq!(drain(&inbox), [1]);
    });
}
