//! Socket options. An option crosses as its position in [`OPTIONS`].

use ioloop::Result;
use ioloop::net::{self, SocketOption};
use napi_derive::napi;
use rustix::io::Errno;

use crate::errno::or_errno;
use crate::fd::JsFd;
use crate::glue::glue;

/// The names of the options. The number of an option is its position here.
#[napi]
#[must_use]
pub fn socket_option_names() -> Vec<&'static str> {
    OPTIONS.iter().map(|(name, _)| *name).collect()
}

glue! {
    "`socketGetOption(fd, option, value)`: writes the value to `value`. 0, or a negative errno."
    socketGetOption(fd: i32, option: u32, value: &mut [i32]) {
        let value = value.first_mut().ok_or(Errno::INVAL)?;
        *value = net::get_option(JsFd::new(fd)?, option_at(option)?)?;
        Ok(())
    }
}

/// Sets an option. 0, or a negative errno.
#[napi(catch_unwind)]
pub fn socket_set_option(fd: i32, option: u32, value: i32) -> i32 {
    or_errno(|| net::set_option(JsFd::new(fd)?, option_at(option)?, value))
}

const OPTIONS: [(&str, SocketOption); 11] = [
    ("reuseAddress", SocketOption::ReuseAddress),
    ("reusePort", SocketOption::ReusePort),
    ("noDelay", SocketOption::NoDelay),
    ("keepAlive", SocketOption::KeepAlive),
    ("keepAliveIdle", SocketOption::KeepAliveIdle),
    ("keepAliveInterval", SocketOption::KeepAliveInterval),
    ("keepAliveCount", SocketOption::KeepAliveCount),
    ("linger", SocketOption::Linger),
    ("receiveBuffer", SocketOption::ReceiveBuffer),
    ("sendBuffer", SocketOption::SendBuffer),
    ("v6Only", SocketOption::V6Only),
];

fn option_at(number: u32) -> Result<SocketOption> {
    let (_, option) = OPTIONS.get(number as usize).ok_or(Errno::INVAL)?;
    Ok(*option)
}
