//! FIFOs: descriptors with a name that are not sockets.
#![cfg(not(target_vendor = "apple"))]

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::{env, fs, process};

use ioloop::net;
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open};
use rustix::io::Errno;

#[test]
fn a_fifo_is_read_and_written_without_blocking() {
    let fifo = Fifo::create("carries");
    let (reader, writer) = (fifo.reader(), fifo.writer().unwrap());
    assert_eq!(errno(net::read(&reader, &mut [0; 8])), Errno::AGAIN);
    assert_eq!(net::write(&writer, b"hello").unwrap(), 5);
    let mut buffer = [0; 8];
    assert_eq!(net::read(&reader, &mut buffer).unwrap(), 5);
    assert_eq!(&buffer[..5], b"hello");
}

#[test]
fn a_fifo_without_a_writer_is_at_eof_until_the_next_opens_it() {
    let fifo = Fifo::create("reopened");
    let reader = fifo.reader();
    drop(fifo.writer().unwrap());
    assert_eq!(net::read(&reader, &mut [0; 8]).unwrap(), 0);
    let writer = fifo.writer().unwrap();
    assert_eq!(errno(net::read(&reader, &mut [0; 8])), Errno::AGAIN);
    assert_eq!(net::write(&writer, b"again").unwrap(), 5);
    assert_eq!(net::read(&reader, &mut [0; 8]).unwrap(), 5);
}

#[test]
fn a_fifo_without_a_reader_refuses_a_writer_and_later_fails_with_epipe() {
    let fifo = Fifo::create("refused");
    assert_eq!(fifo.writer().unwrap_err(), Errno::NXIO);
    let reader = fifo.reader();
    let writer = fifo.writer().unwrap();
    drop(reader);
    assert_eq!(errno(net::write(&writer, b"x")), Errno::PIPE);
}

#[test]
fn a_fifo_and_a_device_are_not_sockets() {
    let fifo = Fifo::create("no-socket");
    assert_eq!(errno(net::recv(fifo.reader(), &mut [0; 8])), Errno::NOTSOCK);
    let null = File::open("/dev/null").unwrap();
    assert_eq!(errno(net::local_address(null.as_fd())), Errno::NOTSOCK);
    assert_eq!(net::read(&null, &mut [0; 8]).unwrap(), 0);
}

/// A FIFO in the folder for temporary files, removed at the end.
struct Fifo(PathBuf);

impl Fifo {
    fn create(name: &str) -> Self {
        let path = env::temp_dir().join(format!("ioloop-fifo-{}-{name}", process::id()));
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        Self(path)
    }

    fn reader(&self) -> OwnedFd {
        self.open(OFlags::RDONLY).unwrap()
    }

    fn writer(&self) -> rustix::io::Result<OwnedFd> {
        self.open(OFlags::WRONLY)
    }

    fn open(&self, access: OFlags) -> rustix::io::Result<OwnedFd> {
        let flags = access | OFlags::NONBLOCK | OFlags::CLOEXEC;
        open(&self.0, flags, Mode::empty())
    }
}

impl Drop for Fifo {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn errno<T: std::fmt::Debug>(result: ioloop::Result<T>) -> Errno {
    Errno::from_raw_os_error(result.unwrap_err().errno())
}
