//! The inbox of a loop: what it refuses, and what ends a wait.
#![cfg(not(loom))]

use std::os::fd::OwnedFd;

use ioloop::event_loop::Budgets;
use ioloop::remote::{Counts, PostError};
use ioloop::{EventLoop, LoopHandle, Turn};

#[test]
fn handles_are_for_all_threads() {
    fn check<T: Send + Sync + Clone + 'static>() {}
    check::<LoopHandle<u32>>();
    check::<LoopHandle<Box<dyn FnOnce() + Send>>>();
}

#[test]
fn a_full_inbox_refuses_until_the_next_turn_and_a_closed_one_for_ever() {
    let budgets = Budgets {
        commands: 2,
        ..Budgets::default()
    };
    let mut event_loop = EventLoop::<OwnedFd, u32>::with_budgets(budgets).unwrap();
    let mut turn = Turn::default();
    let handle = event_loop.handle().unwrap();
    handle.post(1).unwrap();
    handle.post(2).unwrap();
    assert_eq!(handle.post(3), Err(PostError::Full(3)));
    event_loop.turn(0, None, &mut turn).unwrap();
    handle.post(4).unwrap();
    assert_eq!(event_loop.posted(), Counts { posts: 3, wakes: 2 });
    assert_eq!(event_loop.close_handles(), [4]);
    assert_eq!(handle.post(5), Err(PostError::Closed(5)));
    assert_eq!(turn.commands, [1, 2]);
    assert!(handle.is_closed());
}

#[test]
fn a_command_that_posts_when_it_is_dropped_does_not_block_the_close() {
    struct Posts(LoopHandle<Posts>);
    impl Drop for Posts {
        fn drop(&mut self) {
            assert!(self.0.is_closed());
        }
    }
    let mut event_loop = EventLoop::<OwnedFd, Posts>::new().unwrap();
    let handle = event_loop.handle().unwrap();
    assert!(handle.post(Posts(handle.clone())).is_ok());
    drop(event_loop);
    assert!(handle.is_closed());
}

#[test]
fn a_post_that_ends_the_wait_is_collected_by_that_turn() {
    let mut event_loop = EventLoop::<OwnedFd, u32>::new().unwrap();
    let handle = event_loop.handle().unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    let poster = std::thread::spawn(move || {
        for command in receiver {
            handle.post(command).unwrap();
        }
    });
    let mut turn = Turn::default();
    for command in 0..1000 {
        sender.send(command).unwrap();
        event_loop.turn(0, None, &mut turn).unwrap();
        assert_eq!(turn.commands, [command]);
    }
    drop(sender);
    poster.join().unwrap();
}
