//! Unix sockets: by path, by abstract name, without a name.

use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use ioloop::net::{self, Address, Connect, Domain};
use rustix::io::Errno;

#[test]
fn a_path_is_created_and_has_to_be_absent() {
    let directory = Directory::new("absent");
    let address = directory.address("socket");
    let listener = net::open(Domain::Unix).unwrap();
    net::bind(&listener, &address).unwrap();
    assert_eq!(net::local_address(listener.as_fd()).unwrap(), address);
    assert!(directory.0.join("socket").exists());
    let other = net::open(Domain::Unix).unwrap();
    assert_eq!(errno(net::bind(&other, &address)), Errno::ADDRINUSE);
}

#[test]
fn a_listener_at_a_path_is_connected_to_at_once() {
    let directory = Directory::new("connect");
    assert_connects(&directory.address("socket"));
}

#[test]
fn a_path_with_any_bytes_survives() {
    let directory = Directory::new("bytes");
    let mut name = directory.0.as_os_str().as_bytes().to_vec();
    name.extend(b"/\xff\xfe socket");
    // Not every file system takes bytes that are no UTF-8; Linux' own do.
    if cfg!(target_os = "linux") {
        assert_connects(&Address::Unix(name));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_abstract_name_is_connected_to_and_leaves_no_file() {
    let name = format!("\0ioloop-net-unix-{}", std::process::id());
    assert_connects(&Address::Unix(name.into_bytes()));
}

#[cfg(target_os = "linux")]
#[test]
fn an_abstract_name_may_have_nul_bytes_and_fill_the_whole_address() {
    let mut name = format!("\0ioloop\0net\0{}", std::process::id()).into_bytes();
    name.resize(108, b'x');
    assert_connects(&Address::Unix(name));
}

#[test]
fn a_path_without_a_listener_refuses() {
    let directory = Directory::new("refuse");
    let address = directory.address("socket");
    let client = net::open(Domain::Unix).unwrap();
    assert_eq!(errno(net::connect(&client, &address)), Errno::NOENT);
    let bound = net::open(Domain::Unix).unwrap();
    net::bind(&bound, &address).unwrap();
    assert_eq!(errno(net::connect(&client, &address)), Errno::CONNREFUSED);
}

#[test]
fn a_path_that_does_not_fit_is_too_long() {
    let socket = net::open(Domain::Unix).unwrap();
    for length in [109, 1000] {
        let path = Address::Unix(vec![b'x'; length]);
        assert_eq!(errno(net::bind(&socket, &path)), Errno::NAMETOOLONG);
        assert_eq!(errno(net::connect(&socket, &path)), Errno::NAMETOOLONG);
    }
}

/// The kernel would stop at the NUL, and use another file than the one that was named.
#[test]
fn a_path_with_a_nul_inside_is_refused() {
    let directory = Directory::new("nul");
    let Address::Unix(mut path) = directory.address("a") else {
        unreachable!()
    };
    path.extend(b"\0b");
    let socket = net::open(Domain::Unix).unwrap();
    assert_eq!(
        errno(net::bind(&socket, &Address::Unix(path))),
        Errno::INVAL
    );
    assert!(!directory.0.join("a").exists());
}

#[test]
fn a_pair_has_no_names() {
    let (one, two) = net::pair().unwrap();
    for end in [one.as_fd(), two.as_fd()] {
        assert_eq!(net::local_address(end).unwrap(), Address::Unnamed);
        assert_eq!(net::peer_address(end).unwrap(), Address::Unnamed);
    }
}

#[test]
fn a_full_queue_would_block_and_leaves_nothing_in_progress() {
    let directory = Directory::new("full");
    let address = directory.address("socket");
    let listener = net::open(Domain::Unix).unwrap();
    net::bind(&listener, &address).unwrap();
    net::listen(&listener, 1).unwrap();
    let mut waiting = Vec::new();
    let full = (0..100).find_map(|_| {
        let client = net::open(Domain::Unix).unwrap();
        let result = net::connect(&client, &address);
        waiting.push(client);
        result.err()
    });
    let errno = full
        .expect("a queue of one does not hold a hundred")
        .errno();
    // Linux has a sender wait, others refuse.
    let expected = [Errno::AGAIN, Errno::CONNREFUSED].map(Errno::raw_os_error);
    assert!(expected.contains(&errno), "{errno}");
}

fn assert_connects(address: &Address) {
    let listener = net::open(Domain::Unix).unwrap();
    net::bind(&listener, address).unwrap();
    net::listen(&listener, 4).unwrap();
    assert_eq!(&net::local_address(listener.as_fd()).unwrap(), address);
    let client = net::open(Domain::Unix).unwrap();
    assert_eq!(net::connect(&client, address).unwrap(), Connect::Done);
    let (server, peer) = net::accept(&listener).unwrap();
    assert_eq!(peer, Address::Unnamed);
    assert_eq!(&net::peer_address(client.as_fd()).unwrap(), address);
    net::send(&server, b"x").unwrap();
    assert_eq!(net::recv(&client, &mut [0; 8]).unwrap(), 1);
}

fn errno<T: std::fmt::Debug>(result: ioloop::Result<T>) -> Errno {
    Errno::from_raw_os_error(result.unwrap_err().errno())
}

/// A directory of one test's own, gone with it.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let name = format!("ioloop-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn address(&self, name: &str) -> Address {
        Address::Unix(Path::join(&self.0, name).as_os_str().as_bytes().to_vec())
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What cannot be removed is the temporary directory's to clean up.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
