//! One connection: what it has sent, and what of it has come back.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Ipv4Addr;
use std::time::Instant;

use hdrhistogram::Histogram;
use mio::net::TcpStream;

use crate::options::Options;

pub struct Connection {
    stream: TcpStream,
    message: Vec<u8>,
    depth: usize,
    /// When each message under way was sent.
    sent: VecDeque<Instant>,
    /// Bytes that still have to go out, of whole messages.
    unsent: usize,
    /// Bytes of the current echo that have come back.
    received: usize,
    broken: bool,
}

impl Connection {
    /// Connects, and waits until that is done: the load begins with all connections open.
    pub fn open(options: &Options) -> io::Result<Self> {
        let stream = std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, options.port))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let message = options.message();
        Ok(Self {
            stream: TcpStream::from_std(stream),
            message,
            depth: options.depth,
            sent: VecDeque::with_capacity(options.depth),
            unsent: 0,
            received: 0,
            broken: false,
        })
    }

    pub fn source(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Whether it ended early or brought a wrong byte.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Reads what is there, sends what is due; gives the number of echoes completed.
    pub fn ready(&mut self, scratch: &mut [u8], latency: &mut Histogram<u64>) -> io::Result<u64> {
        let mut echoes = 0;
        while !self.broken {
            match self.stream.read(scratch) {
                Ok(0) => self.broken = true,
                Ok(count) => {
                    echoes += self.check(&scratch[..count], latency);
                    // A short read: the socket is empty, the next edge comes with the next byte.
                    if count < scratch.len() {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.refill();
        self.flush()?;
        Ok(echoes)
    }

    fn check(&mut self, mut bytes: &[u8], latency: &mut Histogram<u64>) -> u64 {
        let mut echoes = 0;
        while !bytes.is_empty() {
            let count = bytes.len().min(self.message.len() - self.received);
            let (part, rest) = bytes.split_at(count);
            self.broken |= part != &self.message[self.received..self.received + count];
            self.received += count;
            bytes = rest;
            if self.received == self.message.len() {
                self.received = 0;
                echoes += 1;
                let Some(sent) = self.sent.pop_front() else {
                    self.broken = true;
                    return echoes;
                };
                latency.saturating_record(
                    u64::try_from(sent.elapsed().as_nanos()).unwrap_or(u64::MAX),
                );
            }
        }
        echoes
    }

    fn refill(&mut self) {
        while self.sent.len() < self.depth {
            self.sent.push_back(Instant::now());
            self.unsent += self.message.len();
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.unsent > 0 {
            let size = self.message.len();
            let at = (size - self.unsent % size) % size;
            match self.stream.write(&self.message[at..]) {
                Ok(count) => self.unsent -= count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
