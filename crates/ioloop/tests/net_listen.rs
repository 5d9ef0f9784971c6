//! Listening sockets: what happens to connections around their close.

use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use ioloop::net::{self, Address, Domain};
use rustix::io::Errno;

fn listener() -> (std::os::fd::OwnedFd, SocketAddr) {
    let socket = net::open(Domain::V4).unwrap();
    net::bind(&socket, &Address::Ip("127.0.0.1:0".parse().unwrap())).unwrap();
    net::listen(&socket, 16).unwrap();
    let Address::Ip(address) = net::local_address(socket.as_fd()).unwrap() else {
        panic!("a TCP socket has an IP address");
    };
    (socket, address)
}

#[test]
#[cfg(target_os = "linux")]
fn a_listener_that_refuses_new_connections_keeps_those_of_its_backlog() {
    let (socket, address) = listener();
    let mut queued = TcpStream::connect(address).unwrap();
    net::refuse_new(&socket).unwrap();
    let refused = TcpStream::connect_timeout(&address, Duration::from_millis(100));
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::TimedOut);
    let (accepted, _) = net::accept(&socket).unwrap();
    assert_eq!(
        net::accept(&socket).unwrap_err().errno(),
        Errno::AGAIN.raw_os_error()
    );
    drop(socket);
    assert_eq!(net::send(&accepted, b"served").unwrap(), 6);
    drop(accepted);
    let mut text = String::new();
    queued.read_to_string(&mut text).unwrap();
    assert_eq!(text, "served");
}

#[test]
fn a_duplicate_listens_when_the_first_descriptor_is_closed() {
    let (socket, address) = listener();
    let duplicate = net::duplicate(&socket).unwrap();
    let queued = TcpStream::connect(address).unwrap();
    drop(socket);
    assert!(net::accept(&duplicate).is_ok());
    drop(queued);
    drop(duplicate);
    assert_eq!(
        TcpStream::connect(address).unwrap_err().kind(),
        ErrorKind::ConnectionRefused
    );
}
