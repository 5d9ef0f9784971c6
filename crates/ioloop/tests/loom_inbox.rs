//! Every interleaving of posting, draining and closing, by loom.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test -p ioloop --test loom_inbox
//! ```
#![cfg(loom)]

use std::io;

use ioloop::remote::{self, Inbox, LoopHandle, PostError, Wake};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

/// A waker that counts its calls.
#[derive(Clone)]
struct Counter {
    calls: Arc<AtomicUsize>,
}

impl Counter {
    fn new() -> Self {
        Self {
            calls: Arc::new(AtomicUsize::new(0)),
        }
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

impl Wake for Counter {
    fn wake(&self) -> io::Result<()> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

fn channel() -> (LoopHandle<usize, Counter>, Inbox<usize, Counter>, Counter) {
    channel_of(8)
}

fn channel_of(capacity: usize) -> (LoopHandle<usize, Counter>, Inbox<usize, Counter>, Counter) {
    let counter = Counter::new();
    let (handle, inbox) = remote::channel(counter.clone(), capacity);
    (handle, inbox, counter)
}

fn drain(inbox: &Inbox<usize, Counter>) -> Vec<usize> {
    let mut commands = Vec::new();
    inbox.drain(&mut commands);
    commands
}

#[test]
fn a_post_after_a_drain_wakes_again() {
    loom::model(|| {
        let (handle, inbox, counter) = channel();
        let poster = thread::spawn(move || {
            handle.post(1).unwrap();
            handle.post(2).unwrap();
        });
        // A loop that sleeps unless it was woken has to drain all that it was woken for; a later
        // post has to wake it again.
        let before = counter.calls();
        let mut seen = drain(&inbox);
        let after = counter.calls();
        poster.join().unwrap();
        let left = drain(&inbox);
        if !left.is_empty() {
            assert!(
                counter.calls() > before || after > before,
                "a post without a wake"
            );
        }
        seen.extend(left);
        assert_eq!(seen, [1, 2]);
    });
}

#[test]
fn a_loop_is_woken_for_commands_that_it_has_not_drained() {
    loom::model(|| {
        let (handle, inbox, counter) = channel();
        let poster = thread::spawn(move || handle.post(7).unwrap());
        let first = drain(&inbox);
        poster.join().unwrap();
        if first.is_empty() {
            // The post came after the drain: its wake is outstanding.
            assert_eq!(counter.calls(), 1);
            assert_eq!(drain(&inbox), [7]);
        } else {
            assert_eq!(first, [7]);
        }
    });
}

#[test]
fn posts_between_two_drains_wake_once() {
    loom::model(|| {
        let (handle, inbox, counter) = channel();
        let other = handle.clone();
        let poster = thread::spawn(move || {
            other.post(1).unwrap();
            other.wake();
        });
        handle.post(2).unwrap();
        poster.join().unwrap();
        assert_eq!(counter.calls(), 1);
        let mut commands = drain(&inbox);
        commands.sort_unstable();
        assert_eq!(commands, [1, 2]);
    });
}

#[test]
fn a_command_is_either_drained_or_given_back_or_dropped_with_the_inbox() {
    loom::model(|| {
        let (handle, inbox, _counter) = channel();
        let poster = thread::spawn(move || handle.post(1));
        let drained = drain(&inbox);
        drop(inbox);
        match poster.join().unwrap() {
            Err(error) => {
                assert_eq!(error, PostError::Closed(1));
                assert!(drained.is_empty());
            }
            Ok(()) => assert!(drained.is_empty() || drained == [1]),
        }
    });
}

#[test]
fn an_outstanding_wake_is_repeated_on_a_new_waker() {
    loom::model(|| {
        let (handle, inbox, old) = channel();
        let new = Counter::new();
        let poster = thread::spawn(move || handle.post(1).unwrap());
        inbox.replace_waker(new.clone());
        poster.join().unwrap();
        assert_eq!(
            new.calls(),
            1,
            "the old one was called {} times",
            old.calls()
        );
        assert_eq!(drain(&inbox), [1]);
    });
}

/// Posts two commands. Those that were accepted.
fn post_two(handle: &LoopHandle<usize, Counter>, first: usize) -> Vec<usize> {
    let posts = [first, first + 1];
    let accepted = posts.map(|command| (command, handle.post(command)));
    let mut seen = Vec::new();
    for (command, result) in accepted {
        match result {
            Ok(()) => seen.push(command),
            Err(error) => assert_eq!(error.into_command(), command),
        }
    }
    seen
}

#[test]
fn what_was_accepted_is_drained_or_returned_by_the_close_once() {
    loom::model(|| {
        let (handle, inbox, _counter) = channel();
        let other = handle.clone();
        let first = thread::spawn(move || post_two(&handle, 10));
        let second = thread::spawn(move || post_two(&other, 20));
        let mut seen = drain(&inbox);
        seen.extend(inbox.close());
        assert!(drain(&inbox).is_empty(), "nothing comes after the close");
        let accepted = [first.join().unwrap(), second.join().unwrap()];
        for (accepted, range) in accepted.iter().zip([10..20, 20..30]) {
            let of_sender: Vec<_> = seen.iter().filter(|seen| range.contains(*seen)).collect();
            assert_eq!(of_sender, accepted.iter().collect::<Vec<_>>(), "in order");
        }
    });
}

#[test]
fn a_new_waker_does_not_open_a_closed_inbox() {
    loom::model(|| {
        let (handle, inbox, _old) = channel();
        let poster = thread::spawn(move || handle.post(1).is_ok());
        let left = inbox.close();
        let new = Counter::new();
        inbox.replace_waker(new.clone());
        assert_eq!(poster.join().unwrap(), left == [1]);
        assert_eq!(new.calls(), 0);
    });
}

#[test]
fn a_full_inbox_refuses_and_a_drain_makes_room() {
    loom::model(|| {
        let (handle, inbox, counter) = channel_of(1);
        let other = handle.clone();
        let first = thread::spawn(move || handle.post(1).is_ok());
        let second = other.post(2);
        let mut seen = drain(&inbox);
        let first = first.join().unwrap();
        seen.extend(drain(&inbox));
        assert_eq!(seen.len(), usize::from(first) + usize::from(second.is_ok()));
        assert!(first || second.is_ok(), "an empty inbox refuses nothing");
        assert!(matches!(second, Ok(()) | Err(PostError::Full(2))));
        assert_eq!(inbox.counts().wakes, counter.calls() as u64);
        assert!(counter.calls() <= seen.len());
        other.post(3).unwrap();
    });
}
