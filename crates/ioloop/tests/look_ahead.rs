//! What is found ahead of a turn is in that turn, once.
#![cfg(all(not(selector = "none"), not(loom)))]

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use ioloop::reactor::{Interest, Readiness};
use ioloop::{EventLoop, Turn, net};

type Loop = EventLoop<Arc<OwnedFd>, u32>;

fn turn(event_loop: &mut Loop, turn: &mut Turn<u32>) {
    event_loop.turn(0, Some(Duration::ZERO), turn).unwrap();
}

/// A loop that watches one end of a pair, and the other end.
fn watching(interest: Interest) -> (Loop, Turn<u32>, ioloop::reactor::Token, OwnedFd) {
    let mut event_loop = Loop::new().unwrap();
    let (near, far) = net::pair().unwrap();
    let token = event_loop
        .reactor_mut()
        .register(Arc::new(near), interest)
        .unwrap();
    (event_loop, Turn::default(), token, far)
}

#[test]
fn a_source_is_reported_once() {
    let interest = Interest::READABLE | Interest::EDGE;
    let (mut event_loop, mut found, token, far) = watching(interest);
    net::send(&far, b"x").unwrap();
    event_loop.look_ahead(&mut found);
    assert!(event_loop.has_ahead(&found));
    // Not asked again.
    event_loop.look_ahead(&mut found);
    assert_eq!(found.ready.len(), 1);
    turn(&mut event_loop, &mut found);
    assert_eq!(found.ready[0].token, token);
    assert!(found.ready[0].readiness.contains(Readiness::READABLE));
    if ioloop::reactor::HAS_EDGES {
        turn(&mut event_loop, &mut found);
        assert!(found.ready.is_empty());
    }
}

#[test]
fn a_registration_that_has_ended_is_not_reported() {
    let (mut event_loop, mut found, token, far) = watching(Interest::READABLE);
    net::send(&far, b"x").unwrap();
    event_loop.look_ahead(&mut found);
    event_loop.reactor_mut().deregister(token);
    turn(&mut event_loop, &mut found);
    assert!(found.ready.is_empty());
}

#[test]
fn without_anything_found_the_turn_asks_for_itself() {
    let (mut event_loop, mut found, _, far) = watching(Interest::READABLE);
    event_loop.look_ahead(&mut found);
    assert!(!event_loop.has_ahead(&found));
    net::send(&far, b"x").unwrap();
    turn(&mut event_loop, &mut found);
    assert_eq!(found.ready.len(), 1);
}

#[test]
fn a_source_that_was_acted_on_is_left_out() {
    let interest = Interest::READABLE | Interest::EDGE;
    let (mut event_loop, mut found, _, far) = watching(interest);
    net::send(&far, b"x").unwrap();
    event_loop.look_ahead(&mut found);
    found.ready.clear();
    assert!(!event_loop.has_ahead(&found));
}

#[test]
fn a_post_that_was_found_is_collected() {
    let (mut event_loop, mut found, _, _far) = watching(Interest::READABLE);
    let handle = event_loop.handle().unwrap();
    handle.post(7).unwrap();
    event_loop.look_ahead(&mut found);
    assert!(event_loop.has_ahead(&found));
    turn(&mut event_loop, &mut found);
    assert_eq!(found.commands, [7]);
}
