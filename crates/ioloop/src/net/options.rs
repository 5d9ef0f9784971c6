//! Socket options, each as an `i32`.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

use crate::Result;

/// A socket option. Switches are 0 and 1, times are seconds, sizes are bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketOption {
    /// `SO_REUSEADDR`.
    ReuseAddress,
    /// `SO_REUSEPORT`.
    ReusePort,
    /// `TCP_NODELAY`.
    NoDelay,
    /// `SO_KEEPALIVE`.
    KeepAlive,
    /// `TCP_KEEPIDLE`: seconds of silence before the first probe.
    KeepAliveIdle,
    /// `TCP_KEEPINTVL`: seconds between probes.
    KeepAliveInterval,
    /// `TCP_KEEPCNT`: probes without an answer before the connection is given up.
    KeepAliveCount,
    /// `SO_LINGER`: seconds that closing waits for unsent data; 0 resets the connection, -1 is off.
    Linger,
    /// `SO_RCVBUF`; Linux doubles the value.
    ReceiveBuffer,
    /// `SO_SNDBUF`; Linux doubles the value.
    SendBuffer,
    /// `IPV6_V6ONLY`.
    V6Only,
}

/// Reads an option.
///
/// # Errors
///
/// Of `getsockopt(2)`: `ENOPROTOOPT` or `EOPNOTSUPP` if the socket has no such option.
pub fn get_option(socket: impl AsFd, option: SocketOption) -> Result<i32> {
    let socket = SockRef::from(&socket);
    Ok(match option {
        SocketOption::ReuseAddress => socket.reuse_address()?.into(),
        SocketOption::ReusePort => socket.reuse_port()?.into(),
        SocketOption::NoDelay => socket.tcp_nodelay()?.into(),
        SocketOption::KeepAlive => socket.keepalive()?.into(),
        SocketOption::KeepAliveIdle => seconds(socket.tcp_keepalive_time()?),
        SocketOption::KeepAliveInterval => seconds(socket.tcp_keepalive_interval()?),
        SocketOption::KeepAliveCount => number(socket.tcp_keepalive_retries()?),
        SocketOption::Linger => socket.linger()?.map_or(-1, seconds),
        SocketOption::ReceiveBuffer => number(socket.recv_buffer_size()?),
        SocketOption::SendBuffer => number(socket.send_buffer_size()?),
        SocketOption::V6Only => socket.only_v6()?.into(),
    })
}

/// Sets an option.
///
/// # Errors
///
/// `EINVAL` for a value out of range, and of `setsockopt(2)`.
pub fn set_option(socket: impl AsFd, option: SocketOption, value: i32) -> Result<()> {
    let socket = SockRef::from(&socket);
    let on = value != 0;
    Ok(match option {
        SocketOption::ReuseAddress => socket.set_reuse_address(on),
        SocketOption::ReusePort => socket.set_reuse_port(on),
        SocketOption::NoDelay => socket.set_tcp_nodelay(on),
        SocketOption::KeepAlive => socket.set_keepalive(on),
        SocketOption::KeepAliveIdle => keep_alive(&socket, |k| Ok(k.with_time(span(value)?))),
        SocketOption::KeepAliveInterval => {
            keep_alive(&socket, |k| Ok(k.with_interval(span(value)?)))
        }
        SocketOption::KeepAliveCount => {
            keep_alive(&socket, |k| Ok(k.with_retries(unsigned(value)?)))
        }
        SocketOption::Linger if value == -1 => socket.set_linger(None),
        SocketOption::Linger => socket.set_linger(Some(span(value)?)),
        SocketOption::ReceiveBuffer => socket.set_recv_buffer_size(size(value)?),
        SocketOption::SendBuffer => socket.set_send_buffer_size(size(value)?),
        SocketOption::V6Only => socket.set_only_v6(on),
    }?)
}

/// Sets a keep-alive time. socket2 also turns keep-alive on, so the switch is restored.
fn keep_alive(
    socket: &SockRef<'_>,
    with: impl FnOnce(TcpKeepalive) -> io::Result<TcpKeepalive>,
) -> io::Result<()> {
    let was_on = socket.keepalive()?;
    socket.set_tcp_keepalive(&with(TcpKeepalive::new())?)?;
    socket.set_keepalive(was_on)
}

fn span(value: i32) -> io::Result<Duration> {
    Ok(Duration::from_secs(u64::from(unsigned(value)?)))
}

fn size(value: i32) -> io::Result<usize> {
    Ok(unsigned(value)? as usize)
}

fn unsigned(value: i32) -> io::Result<u32> {
    u32::try_from(value).map_err(|_| rustix::io::Errno::INVAL.into())
}

fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}

fn number<T: TryInto<i32>>(value: T) -> i32 {
    value.try_into().unwrap_or(i32::MAX)
}
