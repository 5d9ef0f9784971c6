//! Descriptor numbers that became other files while a copy of the old one remains.
#![cfg(all(target_os = "linux", not(loom)))]
#![cfg_attr(
    not(selector = "epoll"),
    allow(unused, reason = "some of the tests are of epoll")
)]
#![allow(
    unsafe_code,
    reason = "descriptor numbers that become other files are what is tested"
)]

use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use ioloop::reactor::{Event, Interest, Readiness, Token};
use ioloop::{Error, EventLoop, Turn, net};
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::{dup, dup2, write};

/// A descriptor number, registered as JavaScript registers one.
#[derive(Clone, Copy)]
struct Number(RawFd);

impl AsFd for Number {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the test keeps the number open.
        unsafe { BorrowedFd::borrow_raw(self.0) }
    }
}

impl Number {
    /// Makes the number another file, as `close(2)` and `open(2)` do.
    fn become_file(self, file: impl AsFd) {
        // SAFETY: as above; it stays open.
        let mut own = ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(self.0) });
        dup2(file, &mut own).unwrap();
    }
}

/// A registered socket, a copy of it, and its peer.
struct World {
    event_loop: EventLoop<Number, ()>,
    token: Token,
    number: Number,
    mine: OwnedFd,
    copy: OwnedFd,
    peer: OwnedFd,
}

impl World {
    fn new(interest: Interest) -> Self {
        let (mine, peer) = net::pair().unwrap();
        let mut event_loop = EventLoop::<Number, ()>::new().unwrap();
        let number = Number(mine.as_raw_fd());
        let token = event_loop.reactor_mut().register(number, interest).unwrap();
        let copy = dup(&mine).unwrap();
        Self {
            event_loop,
            token,
            number,
            mine,
            copy,
            peer,
        }
    }

    fn poll(&mut self) -> Vec<(Token, Readiness)> {
        let mut turn = Turn::default();
        self.event_loop
            .turn(0, Some(Duration::ZERO), &mut turn)
            .unwrap();
        let pair = |event: Event| (event.token, event.readiness);
        turn.ready.into_iter().map(pair).collect()
    }
}

#[test]
fn a_verified_number_of_another_file_is_stale_and_reported_once() {
    for interest in [
        Interest::READABLE,
        Interest::READABLE | Interest::WRITABLE | Interest::EDGE,
    ] {
        let mut world = World::new(interest);
        world.event_loop.reactor_mut().verify(world.token).unwrap();
        let _writable = world.poll();
        let (other, other_peer) = net::pair().unwrap();
        world.number.become_file(&other);
        net::send(&other_peer, b"not yours").unwrap();
        net::send(&world.peer, b"to the copy").unwrap();
        assert_eq!(world.poll(), [(world.token, Readiness::STALE)]);
        assert!(world.event_loop.reactor_mut().source(world.token).is_none());
        assert_eq!(world.poll(), []);
        // The number can be registered again.
        let token = world
            .event_loop
            .reactor_mut()
            .register(world.number, interest)
            .unwrap();
        let events = world.poll();
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].0, token);
    }
}

#[test]
fn a_source_on_the_ready_list_is_verified_in_any_case() {
    let mut world = World::new(Interest::READABLE);
    net::send(&world.peer, b"x").unwrap();
    assert_eq!(world.poll().len(), 1);
    let (other, other_peer) = net::pair().unwrap();
    world.number.become_file(&other);
    net::send(&other_peer, b"not yours").unwrap();
    // Sources on the ready list are always verified.
    assert_eq!(world.poll(), [(world.token, Readiness::STALE)]);
}

/// A regular file, which epoll refuses.
fn unwatchable() -> std::fs::File {
    std::fs::File::open(std::env::current_exe().unwrap()).unwrap()
}

#[test]
fn a_number_that_became_a_regular_file_is_stale() {
    let mut world = World::new(Interest::READABLE);
    world.number.become_file(unwatchable());
    let reactor = world.event_loop.reactor_mut();
    assert!(!reactor.is_registered(world.token).unwrap());
    let updated = reactor.reregister(world.token, Interest::WRITABLE);
    assert!(matches!(updated, Err(Error::Unknown)));

    let mut listed = World::new(Interest::READABLE);
    net::send(&listed.peer, b"x").unwrap();
    assert_eq!(listed.poll().len(), 1);
    listed.number.become_file(unwatchable());
    assert_eq!(listed.poll(), [(listed.token, Readiness::STALE)]);
}

#[test]
fn a_stale_registration_whose_number_cannot_be_registered_is_reported() {
    for interest in [Interest::READABLE, Interest::READABLE | Interest::EDGE] {
        let mut world = World::new(interest);
        world.number.become_file(unwatchable());
        let reactor = world.event_loop.reactor_mut();
        let refused = reactor.register(world.number, interest).unwrap_err();
        assert_eq!(refused.errno(), rustix::io::Errno::PERM.raw_os_error());
        assert_eq!(world.poll(), [(world.token, Readiness::STALE)]);
        assert_eq!(world.poll(), []);
    }
}

#[cfg(selector = "epoll")]
#[test]
fn the_selector_tells_two_eventfds_with_one_inode_apart() {
    let flags = EventfdFlags::NONBLOCK;
    let (own, other) = (eventfd(0, flags).unwrap(), eventfd(1, flags).unwrap());
    let copy = dup(&own).unwrap();
    let number = Number(own.as_raw_fd());
    let mut event_loop = EventLoop::<Number, ()>::new().unwrap();
    let token = event_loop
        .reactor_mut()
        .register(number, Interest::READABLE)
        .unwrap();
    event_loop.reactor_mut().verify(token).unwrap();
    number.become_file(&other);
    write(&copy, &1_u64.to_ne_bytes()).unwrap();
    let mut turn = Turn::default();
    event_loop.turn(0, Some(Duration::ZERO), &mut turn).unwrap();
    assert_eq!(turn.ready.len(), 1);
    assert_eq!(turn.ready[0].readiness, Readiness::STALE);
}

#[cfg(selector = "epoll")]
#[test]
fn reports_of_a_stale_registration_ask_for_a_rebuild() {
    let mut world = World::new(Interest::READABLE);
    world.event_loop.reactor_mut().verify(world.token).unwrap();
    let (other, _other_peer) = net::pair().unwrap();
    world.number.become_file(&other);
    for _ in 0..40 {
        net::send(&world.peer, b"x").unwrap();
        let _stale = world.poll();
    }
    assert!(world.event_loop.reactor_mut().needs_rebuild());
}

#[cfg(selector = "epoll")]
#[test]
fn a_number_that_is_its_old_file_again_can_be_registered() {
    let mut world = World::new(Interest::READABLE);
    world.event_loop.reactor_mut().verify(world.token).unwrap();
    let (other, _other_peer) = net::pair().unwrap();
    world.number.become_file(&other);
    net::send(&world.peer, b"x").unwrap();
    assert_eq!(world.poll(), [(world.token, Readiness::STALE)]);
    world.number.become_file(&world.copy);
    let token = world
        .event_loop
        .reactor_mut()
        .register(world.number, Interest::READABLE)
        .unwrap();
    assert_eq!(world.poll(), [(token, Readiness::READABLE)]);
    drop(world.mine);
}

#[test]
fn a_number_that_became_another_file_is_not_registered() {
    let mut world = World::new(Interest::READABLE);
    assert!(
        world
            .event_loop
            .reactor_mut()
            .is_registered(world.token)
            .unwrap()
    );
    let (other, _other_peer) = net::pair().unwrap();
    world.number.become_file(&other);
    assert!(
        !world
            .event_loop
            .reactor_mut()
            .is_registered(world.token)
            .unwrap()
    );
    assert!(matches!(
        world
            .event_loop
            .reactor_mut()
            .reregister(world.token, Interest::READABLE),
        Err(Error::Unknown)
    ));
    assert!(
        !world
            .event_loop
            .reactor_mut()
            .is_registered(world.token)
            .unwrap()
    );
}
