//! Plain mio, on which this package is built.

use std::io::{self, ErrorKind, Read, Write};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

const LISTENER: Token = Token(usize::MAX);

fn main() -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind("127.0.0.1:0".parse().expect("an address"))?;
    println!("{{\"port\":{}}}", listener.local_addr()?.port());
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut streams: Vec<Option<TcpStream>> = Vec::new();
    let mut events = Events::with_capacity(1024);
    let mut buffer = vec![0; 65536];
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true)?;
                    poll.registry().register(
                        &mut stream,
                        Token(streams.len()),
                        Interest::READABLE,
                    )?;
                    streams.push(Some(stream));
                }
            } else if let Some(stream) = &mut streams[event.token().0]
                && !echo(stream, &mut buffer)
            {
                streams[event.token().0] = None;
            }
        }
    }
}

/// Echoes until the socket is drained. False if the connection has ended.
fn echo(stream: &mut TcpStream, buffer: &mut [u8]) -> bool {
    loop {
        match stream.read(buffer) {
            Ok(0) => return false,
            // The send buffer has room for the bytes as long as the peer reads.
            Ok(count)
                if stream
                    .write(&buffer[..count])
                    .is_ok_and(|sent| sent == count) =>
            {
                if count < buffer.len() {
                    return true;
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
            Ok(_) | Err(_) => return false,
        }
    }
}
