//! Handles of a loop: made at the first request, and usable from any thread.
//!
//! One test: it counts the eventfds of the process.
#![cfg(all(selector = "epoll", not(loom)))]

use std::fs;
use std::os::fd::OwnedFd;
use std::thread;
use std::time::Duration;

use ioloop::{EventLoop, LoopHandle, Turn};

#[test]
fn a_loop_has_a_waker_once_it_has_a_handle() {
    let mut event_loop = EventLoop::<OwnedFd, u32>::new().unwrap();
    let mut turn = Turn::default();
    event_loop.turn(0, Some(Duration::ZERO), &mut turn).unwrap();
    event_loop.rebuild(|_| Ok(())).unwrap();
    assert_eq!(eventfds(), 0);

    let handle = event_loop.handle().unwrap();
    let other = event_loop.handle().unwrap();
    assert_eq!(eventfds(), 1, "all handles share a waker");
    post_from_a_thread(handle, 1);
    event_loop.turn(0, None, &mut turn).unwrap();
    event_loop.rebuild(|_| Ok(())).unwrap();
    assert_eq!(eventfds(), 1, "a rebuild replaces the waker");
    let first = turn.commands.clone();
    post_from_a_thread(other, 2);
    event_loop.turn(0, None, &mut turn).unwrap();
    assert_eq!((first, &turn.commands[..]), (vec![1], &[2][..]));
}

fn post_from_a_thread(handle: LoopHandle<u32>, command: u32) {
    thread::spawn(move || handle.post(command).unwrap())
        .join()
        .unwrap();
}

fn eventfds() -> usize {
    let links = fs::read_dir("/proc/self/fd").unwrap();
    let targets = links.filter_map(|link| fs::read_link(link.unwrap().path()).ok());
    targets
        .filter(|target| target.as_os_str() == "anon_inode:[eventfd]")
        .count()
}
