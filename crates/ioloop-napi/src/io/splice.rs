//! Pipes that bytes pass on their way between sockets. The result is a number of bytes, or a negative
//! errno.

use ioloop::net;
use rustix::io::Errno;

use crate::errno::Value;
use crate::fd::JsFd;
use crate::glue::glue;
use crate::owned;

glue! {
    "`pipeOpen(ends, bytes)`: writes the descriptors of a pipe with room for about `bytes` to `ends`:"
    "reading end, writing end. 0, or a negative errno."
    pipeOpen(ends: &mut [i32], bytes: u32) {
        let [reading, writing] = ends else {
            return Err(Errno::INVAL.into());
        };
        let (reader, writer) = net::wide_pipe(bytes as usize)?;
        *reading = owned::give(reader);
        *writing = owned::give(writer);
        Ok(())
    }
}

glue! {
    "`spliceIn(fd, pipe, most)`: moves at most `most` bytes from a socket to the writing end of an"
    "empty pipe. 0 at EOF."
    spliceIn(fd: i32, pipe: i32, most: u32) {
        net::splice_in(JsFd::new(fd)?, JsFd::new(pipe)?, most as usize)
    }
}

glue! {
    "`spliceOut(pipe, fd, length, left)`: moves `length` bytes from the reading end of a pipe, which has"
    "them, to a socket, as far as that has room. Writes to `left` the negative errno of the socket after"
    "these bytes, or 0: it is not reported again."
    spliceOut(pipe: i32, fd: i32, length: u32, left: &mut [i32]) {
        let [failure, ..] = left else {
            return Err(Errno::INVAL.into());
        };
        let sent = net::splice_out(JsFd::new(pipe)?, JsFd::new(fd)?, length as usize)?;
        *failure = negative(sent.failure);
        Ok(sent.moved)
    }
}

glue! {
    "`spliceThrough(fd, pipe, to, piece, most, left)`: moves about `most` bytes from a socket to another"
    "one, through the pipe with these ends, which is empty: as `spliceIn` and `spliceOut` for each"
    "`piece`. The number of bytes that have left the first, 0 at EOF. Writes to `left` how many of them"
    "are in the pipe, and the negative errnos of the first and the second socket after these bytes, or"
    "0: they are not reported again."
    spliceThrough(fd: i32, pipe: &mut [i32], to: i32, piece: u32, most: u32, left: &mut [i32]) {
        let ([reader, writer], [held, failure, sink_failure]) = (pipe, left) else {
            return Err(Errno::INVAL.into());
        };
        let ends = (JsFd::new(*writer)?, JsFd::new(*reader)?);
        let (from, to) = (JsFd::new(fd)?, JsFd::new(to)?);
        let passed = net::splice_through(from, ends, to, piece as usize, most as usize)?;
        *held = passed.held.number();
        *failure = negative(passed.failure);
        *sink_failure = negative(passed.sink_failure);
        Ok(passed.moved)
    }
}

fn negative(failure: Option<Errno>) -> i32 {
    failure.map_or(0, |error| -error.raw_os_error())
}
