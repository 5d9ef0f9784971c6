//! Registrations that are named by their index alone.
#![cfg(not(loom))]

use ioloop::reactor::Interest;
use ioloop::{EventLoop, net};

#[test]
fn an_index_names_the_live_registration_alone() {
    let (first, second) = net::pair().unwrap();
    let mut event_loop = EventLoop::<_, ()>::new().unwrap();
    let reactor = event_loop.reactor_mut();
    assert_eq!(reactor.token_at(0), None);

    let old = reactor.register(first, Interest::READABLE).unwrap();
    assert_eq!(reactor.token_at(old.index()), Some(old));
    assert_eq!(reactor.token_at(old.index() + 1), None);
    reactor.deregister(old);
    assert_eq!(reactor.token_at(old.index()), None);

    let new = reactor.register(second, Interest::READABLE).unwrap();
    assert_eq!(new.index(), old.index(), "the index is reused");
    assert_ne!(new, old);
    assert_eq!(reactor.token_at(old.index()), Some(new));
}
