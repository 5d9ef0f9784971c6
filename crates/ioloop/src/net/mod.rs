//! Non-blocking sockets and pipes, as functions over descriptors.
//!
//! Descriptors opened here are non-blocking and close-on-exec. `EAGAIN` is the state "would block":
//! the reactor reports when to try again. `EINTR` is retried. Sends do not raise `SIGPIPE`.

mod address;
mod kind;
mod options;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod passage;
mod socket;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod splice;
mod stream;
mod system;

pub use address::Address;
pub use kind::{Kind, LARGEST_RECORD, is_connected, kind, socket_kind};
pub use options::{SocketOption, get_option, set_option};
#[cfg(any(target_os = "linux", target_os = "android"))]
pub use passage::{Passage, Progress, Report};
pub use socket::{
    Connect, Domain, accept, bind, connect, listen, local_address, open, pair, peer_address, pipe,
    refuse_new, take_error,
};
#[cfg(any(target_os = "linux", target_os = "android"))]
pub use splice::{Passed, splice_in, splice_out, splice_through, wide_pipe};
pub use stream::{
    How, duplicate, read, recv, send, send_vectored, set_nonblocking, shutdown, write,
    write_vectored,
};

/// Whether bytes move between sockets without passing the memory of the process.
pub const HAS_SPLICE: bool = cfg!(any(target_os = "linux", target_os = "android"));
