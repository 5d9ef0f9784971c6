//! One connection: messages sent, answers received.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::net::TcpStream;
use socket2::{Domain, SockRef, Socket, Type};

use crate::answer::Answer;
use crate::options::Options;

pub struct Connection {
    stream: TcpStream,
    message: Vec<u8>,
    answer: Answer,
    /// When each message under way was due. In the closed loop, when it was sent.
    due: VecDeque<Instant>,
    /// Unsent bytes of whole messages.
    unsent: usize,
    broken: bool,
}

impl Connection {
    /// Connects and waits for it: the load begins with all connections open.
    pub fn open(options: &Options) -> io::Result<Self> {
        let stream = connect(options, Connect::Wait)?;
        let message = options.message();
        let answer = if options.http {
            Answer::http()
        } else {
            Answer::echo(&message)
        };
        Ok(Self {
            stream,
            message,
            answer,
            due: VecDeque::with_capacity(options.depth),
            unsent: 0,
            broken: false,
        })
    }

    /// Resets the connection and starts another in its place, without waiting for it.
    pub fn begin_anew(&mut self, options: &Options) -> io::Result<()> {
        // A reset: thousands of ports a second in TIME_WAIT would use them up.
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO))?;
        self.stream = connect(options, Connect::Begin)?;
        self.answer.begin_anew();
        self.due.clear();
        self.unsent = 0;
        Ok(())
    }

    pub fn source(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Whether it ended early or brought a wrong byte.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Messages that were sent, or are to be, and have no answer yet.
    pub fn under_way(&self) -> usize {
        self.due.len()
    }

    /// A message that was to be sent at that time.
    pub fn send(&mut self, due: Instant) {
        self.due.push_back(due);
        self.unsent += self.message.len();
    }

    /// Reads until the socket is drained. Returns the number of answers that became complete.
    pub fn receive(&mut self, scratch: &mut [u8], latency: &mut Histogram<u64>) -> io::Result<u64> {
        let mut answers = 0;
        while !self.broken {
            match self.stream.read(scratch) {
                Ok(0) => self.broken = true,
                Ok(count) => {
                    answers += self.check(&scratch[..count], latency);
                    // A short read: the socket is empty, the next edge comes with the next byte.
                    if count < scratch.len() {
                        break;
                    }
                }
                Err(error) if is_early(&error) => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(answers)
    }

    /// Sends until nothing is due or the socket would block.
    pub fn flush(&mut self) -> io::Result<()> {
        while self.unsent > 0 {
            let size = self.message.len();
            let at = (size - self.unsent % size) % size;
            match self.stream.write(&self.message[at..]) {
                Ok(count) => self.unsent -= count,
                Err(error) if is_early(&error) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// What has no answer at the end took at least until now.
    pub fn record_unanswered(&self, latency: &mut Histogram<u64>) {
        for due in &self.due {
            record(latency, *due);
        }
    }

    fn check(&mut self, bytes: &[u8], latency: &mut Histogram<u64>) -> u64 {
        let Ok(answers) = self.answer.take(bytes) else {
            self.broken = true;
            return 0;
        };
        for _ in 0..answers {
            match self.due.pop_front() {
                Some(due) => record(latency, due),
                None => self.broken = true,
            }
        }
        answers
    }
}

/// Whether to wait until the connection is there.
#[derive(Clone, Copy)]
pub enum Connect {
    Wait,
    Begin,
}

pub fn connect(options: &Options, how: Connect) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    if !options.from.is_loopback() {
        return Err(io::Error::other("--from has to be a loopback address"));
    }
    if options.from != Ipv4Addr::LOCALHOST {
        socket.bind(&SocketAddr::from((options.from, 0)).into())?;
    }
    socket.set_tcp_nodelay(true)?;
    let server = options.server().into();
    if matches!(how, Connect::Wait) {
        socket.connect(&server)?;
        socket.set_nonblocking(true)?;
    } else {
        socket.set_nonblocking(true)?;
        if let Err(error) = socket.connect(&server)
            && error.raw_os_error() != Some(IN_PROGRESS)
        {
            return Err(error);
        }
    }
    Ok(TcpStream::from_std(socket.into()))
}

/// `EINPROGRESS` on Linux, where the benchmarks run; `std` has no stable kind for it.
const IN_PROGRESS: i32 = if cfg!(target_os = "linux") { 115 } else { 36 };

/// Would block, or not connected yet.
fn is_early(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::NotConnected
    )
}

fn record(latency: &mut Histogram<u64>, due: Instant) {
    latency.saturating_record(u64::try_from(due.elapsed().as_nanos()).unwrap_or(u64::MAX));
}
