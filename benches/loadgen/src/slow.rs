//! Clients that send as much as they can and hardly read.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use mio::net::TcpStream;

use crate::connection::{Connect, connect};
use crate::options::Options;

const PAUSE: Duration = Duration::from_millis(10);
/// Bytes of one write, as far as the socket has room.
const PIECE: usize = 1 << 16;
/// Bytes of one read after each pause: a hundred kilobytes a second.
const SIP: usize = 1 << 10;

/// Runs until `end`. Returns the number of bytes that the server has received.
pub fn sip(options: &Options, end: &AtomicBool) -> io::Result<u64> {
    let mut streams = (0..options.slow)
        .map(|_| connect(options, Connect::Wait))
        .collect::<io::Result<Vec<_>>>()?;
    let piece = vec![b'x'; PIECE];
    let mut swallowed = 0;
    while !end.load(Ordering::Relaxed) {
        for stream in &mut streams {
            swallowed += pass(stream, &piece)?;
        }
        thread::sleep(PAUSE);
    }
    Ok(swallowed)
}

fn pass(stream: &mut TcpStream, piece: &[u8]) -> io::Result<u64> {
    allow_early(stream.read(&mut [0; SIP]))?;
    Ok(allow_early(stream.write(piece))? as u64)
}

fn allow_early(result: io::Result<usize>) -> io::Result<usize> {
    match result {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        other => other,
    }
}
