//! A passage: bytes that go from one socket to another through a pipe, whenever either of them is ready.
//!
//! | Pipe      | Source  | Sink    | [`Passage::run`] |
//! | --------- | ------- | ------- | ---------------- |
//! | empty     | drained | any     | waits for [`Passage::on_readable`] |
//! | empty     | ready   | any     | moves bytes to the pipe, and from it to the sink |
//! | has bytes | any     | full    | waits for [`Passage::on_writable`] |
//! | has bytes | any     | has room | moves them to the sink |
//!
//! It keeps the readiness of two edge-triggered sockets. EOF and failures end it: what they mean is for its
//! owner, who has the [`Report`] of what was moved.

use std::os::fd::AsFd;

use rustix::io::Errno;

use super::splice::{send_out, take_in};

/// The state of the bytes, and what was found out about both sockets. The sockets and the pipe belong to its
/// owner.
#[derive(Debug)]
pub struct Passage {
    readable: bool,
    writable: bool,
    report: Report,
}

/// What was moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Bytes that have left the source since the last report.
    pub taken: usize,
    /// Bytes that the sink has taken since the last report.
    pub sent: usize,
    /// Bytes that are in the pipe.
    pub held: usize,
    /// The error of the source after these bytes. The kernel does not report it again.
    pub failure: Option<Errno>,
    /// The error of the sink, likewise.
    pub sink_failure: Option<Errno>,
}

/// How a [`run`](Passage::run) has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// One of the sockets has to become ready.
    Waits,
    /// There is more to move: the bytes of this run were spent.
    More,
    /// EOF, an urgent mark, or a failure of one of the sockets, which is in the report. It does not run
    /// again.
    Ended,
}

impl Passage {
    /// A passage whose pipe has `held` bytes, for which the sink had no room. The source is `readable`, or was
    /// drained.
    #[must_use]
    pub fn new(held: usize, readable: bool) -> Self {
        Self {
            readable,
            writable: held == 0,
            report: Report {
                held,
                ..Report::default()
            },
        }
    }

    /// The source was reported readable.
    pub fn on_readable(&mut self) {
        self.readable = true;
    }

    /// The sink was reported writable.
    pub fn on_writable(&mut self) {
        self.writable = true;
    }

    /// Moves about `most` bytes, in pieces of at most `piece` bytes.
    pub fn run(
        &mut self,
        source: impl AsFd,
        (writer, reader): (impl AsFd, impl AsFd),
        sink: impl AsFd,
        piece: usize,
        most: usize,
    ) -> Progress {
        let mut left = most;
        loop {
            if self.report.held > 0 {
                if !self.writable {
                    return Progress::Waits;
                }
                let sent = send_out(&reader, &sink, self.report.held);
                self.report.held -= sent.moved;
                self.report.sent += sent.moved;
                match sent.failure {
                    None => {}
                    Some(Errno::AGAIN) => {
                        self.writable = false;
                        return Progress::Waits;
                    }
                    failure => {
                        self.report.sink_failure = failure;
                        return Progress::Ended;
                    }
                }
            }
            if !self.readable {
                return Progress::Waits;
            }
            if left == 0 {
                return Progress::More;
            }
            match take_in(source.as_fd(), writer.as_fd(), piece.min(left)) {
                Ok(0) => return Progress::Ended,
                Ok(count) => {
                    self.report.held = count;
                    self.report.taken += count;
                    left -= count.min(left);
                }
                Err(Errno::AGAIN) => {
                    self.readable = false;
                    return Progress::Waits;
                }
                Err(failure) => {
                    self.report.failure = Some(failure);
                    return Progress::Ended;
                }
            }
        }
    }

    /// What was moved since the last report.
    pub fn report(&mut self) -> Report {
        let report = self.report;
        self.report.taken = 0;
        self.report.sent = 0;
        report
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
    use std::os::fd::OwnedFd;
    use std::time::Duration;

    use super::*;
    use crate::net::wide_pipe;

    const PIECE: usize = 1 << 16;

    /// Two ends of a connection; the first does not block.
    fn connection() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        near.set_nonblocking(true).unwrap();
        (near, listener.accept().unwrap().0)
    }

    /// A passage between two connections, with their far ends.
    struct Proxy {
        passage: Passage,
        source: TcpStream,
        sink: TcpStream,
        pipe: (OwnedFd, OwnedFd),
        sender: TcpStream,
        receiver: TcpStream,
    }

    impl Proxy {
        fn new() -> Self {
            let (source, sender) = connection();
            let (sink, receiver) = connection();
            let (reader, writer) = wide_pipe(PIECE).unwrap();
            Self {
                passage: Passage::new(0, false),
                source,
                sink,
                pipe: (writer, reader),
                sender,
                receiver,
            }
        }

        fn run(&mut self, most: usize) -> Progress {
            let (writer, reader) = &self.pipe;
            self.passage
                .run(&self.source, (writer, reader), &self.sink, PIECE, most)
        }

        fn wait_readable(&mut self) {
            let mut byte = [0];
            self.source.set_nonblocking(false).unwrap();
            self.source.peek(&mut byte).unwrap();
            self.source.set_nonblocking(true).unwrap();
            self.passage.on_readable();
        }
    }

    #[test]
    fn bytes_pass_once_the_source_is_readable() {
        let mut proxy = Proxy::new();
        proxy.sender.write_all(b"bytes").unwrap();
        assert_eq!(proxy.run(PIECE), Progress::Waits);
        assert_eq!(proxy.passage.report(), Report::default());
        proxy.wait_readable();
        assert_eq!(proxy.run(PIECE), Progress::Waits);
        let report = proxy.passage.report();
        assert_eq!((report.taken, report.sent, report.held), (5, 5, 0));
        assert_eq!(proxy.passage.report(), Report::default());
        let mut got = [0; 5];
        proxy.receiver.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"bytes");
    }

    #[test]
    fn a_run_is_bounded_and_eof_ends_it() {
        let mut proxy = Proxy::new();
        proxy.sender.write_all(b"bytes").unwrap();
        proxy.sender.shutdown(Shutdown::Write).unwrap();
        proxy.wait_readable();
        assert_eq!(proxy.run(3), Progress::More);
        assert_eq!(proxy.passage.report().sent, 3);
        assert_eq!(proxy.run(PIECE), Progress::Ended);
        let report = proxy.passage.report();
        assert_eq!((report.taken, report.failure), (2, None));
    }

    #[test]
    fn a_full_sink_keeps_bytes_in_the_pipe_until_it_is_writable() {
        let mut proxy = Proxy::new();
        let chunk = vec![7; PIECE];
        let mut written = 0;
        // Until the sink, the pipe and the source are full.
        proxy.sender.set_nonblocking(true).unwrap();
        while let Ok(count) = proxy.sender.write(&chunk) {
            written += count;
            proxy.passage.on_readable();
            assert_ne!(proxy.run(16 * PIECE), Progress::Ended);
        }
        assert!(proxy.passage.report.held > 0);
        let mut got = 0;
        let mut room = vec![0; PIECE];
        proxy
            .receiver
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        while got < written {
            got += proxy.receiver.read(&mut room).unwrap();
            proxy.passage.on_writable();
            proxy.passage.on_readable();
            assert_ne!(proxy.run(16 * PIECE), Progress::Ended);
        }
        let report = proxy.passage.report();
        assert_eq!(
            (report.taken, report.sent, report.held),
            (written, written, 0)
        );
    }

    #[test]
    fn the_failure_of_a_source_is_in_the_report() {
        let mut proxy = Proxy::new();
        socket2::SockRef::from(&proxy.sender)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        drop(std::mem::replace(&mut proxy.sender, connection().0));
        proxy.passage.on_readable();
        assert_eq!(proxy.run(PIECE), Progress::Ended);
        assert_eq!(proxy.passage.report().failure, Some(Errno::CONNRESET));
    }

    #[test]
    fn the_failure_of_a_sink_is_in_the_report_with_the_bytes() {
        let mut proxy = Proxy::new();
        socket2::SockRef::from(&proxy.receiver)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        drop(std::mem::replace(&mut proxy.receiver, connection().0));
        proxy.sender.write_all(b"bytes").unwrap();
        proxy.wait_readable();
        assert_eq!(proxy.run(PIECE), Progress::Ended);
        let report = proxy.passage.report();
        assert_eq!((report.taken, report.held), (5, 5));
        assert_eq!(report.sink_failure, Some(Errno::CONNRESET));
    }
}
