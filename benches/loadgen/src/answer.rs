//! The expected answer to a message.

/// An answer of a known length, or of the length of the first, that begins with known bytes.
pub struct Answer {
    /// Compared byte by byte. All bytes of an echo.
    begin: Vec<u8>,
    length: Option<usize>,
    /// The head of the first HTTP response, until it is complete.
    head: Vec<u8>,
    /// Received bytes of the current answer.
    received: usize,
}

/// The server sent a wrong answer.
pub struct Wrong;

impl Answer {
    pub fn echo(message: &[u8]) -> Self {
        Self::new(message.to_vec(), Some(message.len()))
    }

    /// All responses have the length of the first.
    pub fn http() -> Self {
        Self::new(b"HTTP/1.1 200 OK\r\n".to_vec(), None)
    }

    /// Resets the state, for a new connection.
    pub fn begin_anew(&mut self) {
        self.received = 0;
    }

    /// Takes received bytes. Returns the number of answers that became complete.
    pub fn take(&mut self, mut bytes: &[u8]) -> Result<u64, Wrong> {
        let mut whole = 0;
        while !bytes.is_empty() {
            self.learn_length(bytes)?;
            let left = self
                .length
                .map_or(bytes.len(), |length| length - self.received);
            let (part, rest) = bytes.split_at(left.min(bytes.len()));
            self.compare(part)?;
            self.received += part.len();
            bytes = rest;
            if Some(self.received) == self.length {
                self.received = 0;
                whole += 1;
            }
        }
        Ok(whole)
    }

    fn new(begin: Vec<u8>, length: Option<usize>) -> Self {
        Self {
            begin,
            length,
            head: Vec::new(),
            received: 0,
        }
    }

    fn compare(&self, part: &[u8]) -> Result<(), Wrong> {
        let known = self.begin.get(self.received..).unwrap_or_default();
        let count = known.len().min(part.len());
        if known[..count] == part[..count] {
            Ok(())
        } else {
            Err(Wrong)
        }
    }

    fn learn_length(&mut self, bytes: &[u8]) -> Result<(), Wrong> {
        if self.length.is_some() {
            return Ok(());
        }
        self.head.extend_from_slice(bytes);
        let head = String::from_utf8_lossy(&self.head).to_ascii_lowercase();
        let Some(end) = head.find("\r\n\r\n") else {
            return Ok(());
        };
        let body = head[..end]
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"))
            .and_then(|length| length.trim().parse::<usize>().ok())
            .ok_or(Wrong)?;
        self.length = Some(end + 4 + body);
        Ok(())
    }
}
