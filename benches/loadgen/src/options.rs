//! The command line.

use std::time::Duration;

use lexopt::ValueExt;

pub struct Options {
    pub port: u16,
    pub connections: usize,
    pub size: usize,
    /// Messages under way on a connection.
    pub depth: usize,
    /// Lines that a message consists of; 0 for bytes of all kinds.
    pub lines: usize,
    /// Connections that are opened before the others and stay silent.
    pub idle: usize,
    pub warmup: Duration,
    pub seconds: Duration,
}

impl Options {
    pub fn parse() -> Result<Self, String> {
        let mut options = Self {
            port: 0,
            connections: 50,
            size: 64,
            depth: 1,
            lines: 0,
            idle: 0,
            warmup: Duration::from_millis(500),
            seconds: Duration::from_secs(2),
        };
        options
            .read(lexopt::Parser::from_env())
            .map_err(|error| error.to_string())?;
        if options.port == 0 {
            return Err("--port is missing".into());
        }
        if options.size == 0 || options.depth == 0 || options.connections == 0 {
            return Err("--size, --depth and --connections have to be above 0".into());
        }
        if options.lines > 0 && !options.size.is_multiple_of(options.lines) {
            return Err("--size has to be a multiple of --lines".into());
        }
        Ok(options)
    }

    /// One message; all are alike, so that a byte that comes back has to fit its place.
    pub fn message(&self) -> Vec<u8> {
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
                Long("connections") => self.connections = parser.value()?.parse()?,
                Long("size") => self.size = parser.value()?.parse()?,
                Long("depth") => self.depth = parser.value()?.parse()?,
                Long("lines") => self.lines = parser.value()?.parse()?,
                Long("idle") => self.idle = parser.value()?.parse()?,
                Long("warmup") => self.warmup = seconds(&mut parser)?,
                Long("seconds") => self.seconds = seconds(&mut parser)?,
                other => return Err(other.unexpected()),
            }
        }
        Ok(())
    }
}

fn seconds(parser: &mut lexopt::Parser) -> Result<Duration, lexopt::Error> {
    let seconds: f64 = parser.value()?.parse()?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string().into())
}
