//! Listening, connecting and accepting, over loopback and Unix sockets.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};

use ioloop::net::{self, Address, Connect, Domain, SocketOption};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, FdFlags, fcntl_getfd};

#[test]
fn everything_opened_or_accepted_is_nonblocking_and_close_on_exec() {
    for domain in [Domain::V4, Domain::V6, Domain::Unix] {
        assert_flags(&net::open(domain).unwrap());
    }
    let (listener, address) = listen(&loopback());
    let _client = connect(Domain::V4, &address);
    assert_flags(&accept(&listener).0);
}

#[test]
fn an_empty_queue_would_block() {
    let (listener, _) = listen(&loopback());
    assert_eq!(errno(net::accept(&listener)), Errno::AGAIN);
}

#[test]
fn accept_and_the_addresses_of_both_ends_agree() {
    for (domain, ip) in [
        (Domain::V4, loopback()),
        (Domain::V6, Address::Ip((Ipv6Addr::LOCALHOST, 0).into())),
    ] {
        let (listener, address) = listen(&ip);
        let client = connect(domain, &address);
        let (server, peer) = accept(&listener);
        assert_eq!(net::local_address(client.as_fd()).unwrap(), peer);
        assert_eq!(net::peer_address(server.as_fd()).unwrap(), peer);
        assert_eq!(net::peer_address(client.as_fd()).unwrap(), address);
        assert_eq!(net::local_address(server.as_fd()).unwrap(), address);
    }
}

#[test]
fn bytes_cross_a_tcp_connection() {
    let (listener, address) = listen(&loopback());
    let client = connect(Domain::V4, &address);
    let (server, _) = accept(&listener);
    net::send(&client, b"hello").unwrap();
    until(&server, PollFlags::IN);
    let mut buffer = [0; 8];
    assert_eq!(net::recv(&server, &mut buffer).unwrap(), 5);
    assert_eq!(&buffer[..5], b"hello");
}

#[test]
fn an_address_in_use_is_refused() {
    let (_listener, address) = listen(&loopback());
    let other = net::open(Domain::V4).unwrap();
    assert_eq!(errno(net::bind(&other, &address)), Errno::ADDRINUSE);
}

#[test]
fn two_listeners_share_a_port_when_both_say_so() {
    let mut address = loopback();
    let mut listeners = Vec::new();
    for _ in 0..2 {
        let socket = net::open(Domain::V4).unwrap();
        net::set_option(&socket, SocketOption::ReusePort, 1).unwrap();
        net::bind(&socket, &address).unwrap();
        address = net::local_address(socket.as_fd()).unwrap();
        net::listen(&socket, 1).unwrap();
        listeners.push(socket);
    }
    assert_eq!(listeners.len(), 2);
}

#[test]
fn a_refused_connection_ends_with_an_error_that_is_taken_once() {
    // Bound and not listening: no other process can get the port meanwhile.
    let closed = net::open(Domain::V4).unwrap();
    net::bind(&closed, &loopback()).unwrap();
    let address = net::local_address(closed.as_fd()).unwrap();
    let client = net::open(Domain::V4).unwrap();
    match net::connect(&client, &address) {
        Ok(state) => {
            assert_eq!(state, Connect::InProgress);
            until(&client, PollFlags::OUT);
            let error = net::take_error(&client).unwrap().unwrap();
            assert_eq!(Errno::from_io_error(&error), Some(Errno::CONNREFUSED));
        }
        Err(error) => assert_eq!(error.errno(), Errno::CONNREFUSED.raw_os_error()),
    }
    assert!(net::take_error(&client).unwrap().is_none());
}

#[test]
fn a_socket_without_a_connection_has_no_peer() {
    let socket = net::open(Domain::V4).unwrap();
    assert_eq!(errno(net::peer_address(socket.as_fd())), Errno::NOTCONN);
    let unspecified = Address::Ip((Ipv4Addr::UNSPECIFIED, 0).into());
    assert_eq!(net::local_address(socket.as_fd()).unwrap(), unspecified);
}

#[test]
fn an_address_of_another_family_is_refused() {
    let socket = net::open(Domain::V4).unwrap();
    let v6 = Address::Ip((Ipv6Addr::LOCALHOST, 9).into());
    assert_eq!(errno(net::connect(&socket, &v6)), Errno::AFNOSUPPORT);
}

fn loopback() -> Address {
    Address::Ip(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
}

fn listen(address: &Address) -> (OwnedFd, Address) {
    let domain = match address {
        Address::Ip(SocketAddr::V6(_)) => Domain::V6,
        _ => Domain::V4,
    };
    let listener = net::open(domain).unwrap();
    net::bind(&listener, address).unwrap();
    net::listen(&listener, 16).unwrap();
    let address = net::local_address(listener.as_fd()).unwrap();
    (listener, address)
}

fn connect(domain: Domain, address: &Address) -> OwnedFd {
    let socket = net::open(domain).unwrap();
    if net::connect(&socket, address).unwrap() == Connect::InProgress {
        until(&socket, PollFlags::OUT);
    }
    assert!(net::take_error(&socket).unwrap().is_none());
    socket
}

fn accept(listener: &OwnedFd) -> (OwnedFd, Address) {
    until(listener, PollFlags::IN);
    net::accept(listener).unwrap()
}

/// Waits for readiness, ten seconds at most.
fn until(fd: &OwnedFd, events: PollFlags) {
    let limit = Timespec {
        tv_sec: 10,
        tv_nsec: 0,
    };
    let ready = poll(&mut [PollFd::new(fd, events)], Some(&limit)).unwrap();
    assert_eq!(ready, 1, "not ready within ten seconds");
}

fn assert_flags(fd: &OwnedFd) {
    let status = rustix::fs::fcntl_getfl(fd).unwrap();
    assert!(status.contains(rustix::fs::OFlags::NONBLOCK));
    assert!(fcntl_getfd(fd).unwrap().contains(FdFlags::CLOEXEC));
}

fn errno<T: std::fmt::Debug>(result: ioloop::Result<T>) -> Errno {
    Errno::from_raw_os_error(result.unwrap_err().errno())
}
