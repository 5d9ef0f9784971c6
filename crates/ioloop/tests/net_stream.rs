//! Moving bytes over real sockets and pipes.

use std::io::IoSlice;
use std::os::fd::AsFd;

use ioloop::net::{self, How};
use rustix::io::{FdFlags, fcntl_getfd};

#[test]
fn an_empty_socket_would_block() {
    let (one, _two) = net::pair().unwrap();
    assert_eq!(errno(net::recv(&one, &mut [0; 8])), AGAIN);
}

#[test]
fn an_empty_pipe_would_block() {
    let (reader, _writer) = net::pipe().unwrap();
    assert_eq!(errno(net::read(&reader, &mut [0; 8])), AGAIN);
}

#[test]
fn a_duplicate_is_the_same_file_non_blocking_and_close_on_exec() {
    let (one, two) = net::pair().unwrap();
    let duplicate = net::duplicate(&one).unwrap();
    assert!(fcntl_getfd(&duplicate).unwrap().contains(FdFlags::CLOEXEC));
    assert_eq!(errno(net::recv(&duplicate, &mut [0; 8])), AGAIN);
    drop(one);
    net::send(&two, b"still open").unwrap();
    assert_eq!(net::recv(&duplicate, &mut [0; 16]).unwrap(), 10);
}

#[test]
fn a_full_socket_takes_what_fits_and_then_would_block() {
    let (one, two) = net::pair().unwrap();
    let sent = fill(|bytes| net::send(&one, bytes));
    let received = empty(|buffer| net::recv(&two, buffer));
    assert!(sent > 0);
    assert_eq!(received, sent);
}

#[test]
fn a_full_pipe_takes_what_fits_and_then_would_block() {
    let (reader, writer) = net::pipe().unwrap();
    let written = fill(|bytes| net::write(&writer, bytes));
    let read = empty(|buffer| net::read(&reader, buffer));
    assert!(written > 0);
    assert_eq!(read, written);
}

#[test]
fn a_receive_takes_at_most_a_buffer_full() {
    let (one, two) = net::pair().unwrap();
    assert_eq!(net::send(&one, b"abcdef").unwrap(), 6);
    let mut buffer = [0; 4];
    assert_eq!(net::recv(&two, &mut buffer).unwrap(), 4);
    assert_eq!(&buffer, b"abcd");
    assert_eq!(net::recv(&two, &mut buffer).unwrap(), 2);
    assert_eq!(&buffer[..2], b"ef");
}

#[test]
fn slices_are_sent_in_their_order() {
    let (one, two) = net::pair().unwrap();
    let slices = [
        IoSlice::new(b"head"),
        IoSlice::new(b""),
        IoSlice::new(b"body"),
    ];
    assert_eq!(net::send_vectored(&one, &slices).unwrap(), 8);
    let mut buffer = [0; 16];
    assert_eq!(net::recv(&two, &mut buffer).unwrap(), 8);
    assert_eq!(&buffer[..8], b"headbody");
}

/// The error, not the signal: Rust's runtime ignores `SIGPIPE`, as Node does.
#[test]
fn a_socket_with_a_closed_peer_fails_with_epipe() {
    let (one, two) = net::pair().unwrap();
    drop(two);
    assert_eq!(errno(net::send(&one, b"x")), PIPE);
    assert_eq!(errno(net::send_vectored(&one, &[IoSlice::new(b"x")])), PIPE);
}

#[test]
fn a_pipe_without_a_reader_fails_with_epipe() {
    let (reader, writer) = net::pipe().unwrap();
    drop(reader);
    assert_eq!(errno(net::write(&writer, b"x")), PIPE);
}

#[test]
fn a_closed_peer_is_eof_after_its_last_bytes() {
    let (one, two) = net::pair().unwrap();
    net::send(&two, b"last").unwrap();
    drop(two);
    let mut buffer = [0; 8];
    assert_eq!(net::recv(&one, &mut buffer).unwrap(), 4);
    assert_eq!(net::recv(&one, &mut buffer).unwrap(), 0);
}

#[test]
fn a_half_closed_connection_still_carries_the_other_direction() {
    let (one, two) = net::pair().unwrap();
    net::send(&one, b"question").unwrap();
    net::shutdown(&one, How::Write).unwrap();
    let mut buffer = [0; 16];
    assert_eq!(net::recv(&two, &mut buffer).unwrap(), 8);
    assert_eq!(net::recv(&two, &mut buffer).unwrap(), 0);
    assert_eq!(errno(net::send(&one, b"more")), PIPE);
    assert_eq!(net::send(&two, b"answer").unwrap(), 6);
    assert_eq!(net::recv(&one, &mut buffer).unwrap(), 6);
}

#[test]
fn a_socket_that_reads_no_more_refuses_its_peer() {
    let (one, two) = net::pair().unwrap();
    net::shutdown(&one, How::Read).unwrap();
    assert_eq!(net::recv(&one, &mut [0; 8]).unwrap(), 0);
    assert_eq!(errno(net::send(&two, b"x")), PIPE);
}

#[test]
fn a_socket_without_a_connection_cannot_be_shut_down() {
    let socket = net::open(net::Domain::V4).unwrap();
    let notconn = rustix::io::Errno::NOTCONN.raw_os_error();
    assert_eq!(errno(net::shutdown(&socket, How::Both)), notconn);
}

#[test]
fn pipes_and_pairs_are_nonblocking_and_close_on_exec() {
    let (one, two) = net::pair().unwrap();
    let (reader, writer) = net::pipe().unwrap();
    for fd in [one, two, reader, writer] {
        assert!(is_nonblocking(&fd));
        assert!(fcntl_getfd(&fd).unwrap().contains(FdFlags::CLOEXEC));
    }
}

#[test]
fn a_blocking_descriptor_from_elsewhere_can_be_made_nonblocking() {
    let (reader, _writer) = std::io::pipe().unwrap();
    assert!(!is_nonblocking(&reader));
    net::set_nonblocking(&reader).unwrap();
    assert!(is_nonblocking(&reader));
    assert_eq!(errno(net::read(&reader, &mut [0; 8])), AGAIN);
}

#[test]
fn recv_is_for_sockets_and_read_for_everything() {
    let (reader, writer) = net::pipe().unwrap();
    net::write(&writer, b"x").unwrap();
    let notsock = rustix::io::Errno::NOTSOCK.raw_os_error();
    assert_eq!(errno(net::recv(&reader, &mut [0; 8])), notsock);
    assert_eq!(net::read(&reader, &mut [0; 8]).unwrap(), 1);
}

fn is_nonblocking(fd: impl AsFd) -> bool {
    let flags = rustix::fs::fcntl_getfl(fd).unwrap();
    flags.contains(rustix::fs::OFlags::NONBLOCK)
}

/// Writes until it would block: how many bytes were taken.
fn fill(mut write: impl FnMut(&[u8]) -> ioloop::Result<usize>) -> usize {
    let mut total = 0;
    let bytes = vec![7; 65_536];
    loop {
        match write(&bytes) {
            Ok(count) => total += count,
            Err(error) if error.errno() == AGAIN => return total,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Reads until it would block: how many bytes came.
fn empty(mut read: impl FnMut(&mut [u8]) -> ioloop::Result<usize>) -> usize {
    let mut total = 0;
    let mut buffer = vec![0; 65_536];
    loop {
        match read(&mut buffer) {
            Ok(count) => total += count,
            Err(error) if error.errno() == AGAIN => return total,
            Err(error) => panic!("{error}"),
        }
    }
}

fn errno<T: std::fmt::Debug>(result: ioloop::Result<T>) -> i32 {
    result.unwrap_err().errno()
}

const AGAIN: i32 = rustix::io::Errno::AGAIN.raw_os_error();
const PIPE: i32 = rustix::io::Errno::PIPE.raw_os_error();
