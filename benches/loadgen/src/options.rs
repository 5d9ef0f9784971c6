//! The command line.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZero;
use std::thread::available_parallelism;
use std::time::Duration;

use lexopt::ValueExt;

#[derive(Clone)]
pub struct Options {
    pub port: u16,
    /// The local address of the connections. One address has about 28,000 ports.
    pub from: Ipv4Addr,
    pub connections: usize,
    pub size: usize,
    /// Messages under way on a connection, in the closed loop.
    pub depth: usize,
    /// Messages a second of the open loop; 0 for the closed loop.
    pub rate: f64,
    /// Lines of a message; 0 for arbitrary bytes.
    pub lines: usize,
    /// A message is a GET request.
    pub http: bool,
    /// Each connection ends with its first answer, and another one starts.
    pub cycle: bool,
    /// Silent connections, opened before the others.
    pub idle: usize,
    /// Connections that send as much as they can and hardly read.
    pub slow: usize,
    /// Default: the number of available cores.
    pub threads: usize,
    pub warmup: Duration,
    pub seconds: Duration,
}

impl Options {
    pub fn parse() -> Result<Self, String> {
        let mut options = Self {
            port: 0,
            from: Ipv4Addr::LOCALHOST,
            connections: 50,
            size: 64,
            depth: 1,
            rate: 0.0,
            lines: 0,
            http: false,
            cycle: false,
            idle: 0,
            slow: 0,
            threads: available_parallelism().map_or(1, NonZero::get),
            warmup: Duration::from_millis(500),
            seconds: Duration::from_secs(2),
        };
        options
            .read(lexopt::Parser::from_env())
            .map_err(|error| error.to_string())?;
        options.check()?;
        Ok(options)
    }

    pub fn server(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The message. All are equal, and each byte of an answer is compared.
    pub fn message(&self) -> Vec<u8> {
        if self.http {
            return b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec();
        }
        if self.lines == 0 {
            return (0..=250).cycle().take(self.size).collect();
        }
        let length = self.size / self.lines;
        let line = (b'a'..=b'z').cycle().take(length - 1).chain([b'\n']);
        line.cycle().take(self.size).collect()
    }

    fn read(&mut self, mut parser: lexopt::Parser) -> Result<(), lexopt::Error> {
        use lexopt::Arg::Long;
        while let Some(argument) = parser.next()? {
            match argument {
                Long("port") => self.port = parser.value()?.parse()?,
                Long("from") => self.from = parser.value()?.parse()?,
                Long("connections") => self.connections = parser.value()?.parse()?,
                Long("size") => self.size = parser.value()?.parse()?,
                Long("depth") => self.depth = parser.value()?.parse()?,
                Long("rate") => self.rate = parser.value()?.parse()?,
                Long("lines") => self.lines = parser.value()?.parse()?,
                Long("http") => self.http = true,
                Long("cycle") => self.cycle = true,
                Long("idle") => self.idle = parser.value()?.parse()?,
                Long("slow") => self.slow = parser.value()?.parse()?,
                Long("threads") => self.threads = parser.value()?.parse()?,
                Long("warmup") => self.warmup = seconds(&mut parser)?,
                Long("seconds") => self.seconds = seconds(&mut parser)?,
                other => return Err(other.unexpected()),
            }
        }
        Ok(())
    }

    fn check(&mut self) -> Result<(), String> {
        if self.port == 0 {
            return Err("--port is missing".into());
        }
        if self.size == 0 || self.depth == 0 || self.connections == 0 || self.threads == 0 {
            return Err("--size, --depth, --connections and --threads have to be above 0".into());
        }
        if self.lines > 0 && !self.size.is_multiple_of(self.lines) {
            return Err("--size has to be a multiple of --lines".into());
        }
        if !self.rate.is_finite() || self.rate < 0.0 {
            return Err("--rate has to be a number of messages a second".into());
        }
        if self.cycle && (self.rate > 0.0 || self.depth > 1) {
            return Err("--cycle goes with neither --rate nor --depth".into());
        }
        // A thread needs a connection.
        self.threads = self.threads.min(self.connections);
        Ok(())
    }
}

fn seconds(parser: &mut lexopt::Parser) -> Result<Duration, lexopt::Error> {
    let seconds: f64 = parser.value()?.parse()?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string().into())
}
