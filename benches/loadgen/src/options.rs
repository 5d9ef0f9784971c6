//! The command line.

use std::time::Duration;

use lexopt::ValueExt;

pub struct Options {
    pub port: u16,
    pub connections: usize,
    pub size: usize,
    /// Messages under way on a connection.
    pub depth: usize,
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
        Ok(options)
    }

    fn read(&mut self, mut parser: lexopt::Parser) -> Result<(), lexopt::Error> {
        use lexopt::Arg::Long;
        while let Some(argument) = parser.next()? {
            match argument {
                Long("port") => self.port = parser.value()?.parse()?,
                Long("connections") => self.connections = parser.value()?.parse()?,
                Long("size") => self.size = parser.value()?.parse()?,
                Long("depth") => self.depth = parser.value()?.parse()?,
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
