//! Socket options: the value that is set is read back.

use ioloop::net::{self, Domain, SocketOption, get_option, set_option};
use rustix::io::Errno;

#[test]
fn a_switch_is_off_then_on_then_off() {
    let socket = net::open(Domain::V6).unwrap();
    for option in [
        SocketOption::ReuseAddress,
        SocketOption::ReusePort,
        SocketOption::NoDelay,
        SocketOption::KeepAlive,
        SocketOption::V6Only,
    ] {
        for value in [0, 1, 0] {
            set_option(&socket, option, value).unwrap();
            assert_eq!(get_option(&socket, option).unwrap(), value, "{option:?}");
        }
    }
}

#[test]
fn any_number_but_zero_switches_on() {
    let socket = net::open(Domain::V4).unwrap();
    set_option(&socket, SocketOption::NoDelay, -7).unwrap();
    assert_eq!(get_option(&socket, SocketOption::NoDelay).unwrap(), 1);
}

#[test]
fn the_numbers_of_keep_alive_are_read_back() {
    let socket = net::open(Domain::V4).unwrap();
    for (option, value) in TIMES {
        set_option(&socket, option, value).unwrap();
    }
    for (option, value) in TIMES {
        assert_eq!(get_option(&socket, option).unwrap(), value, "{option:?}");
    }
}

#[test]
fn the_numbers_of_keep_alive_leave_its_switch_alone() {
    let socket = net::open(Domain::V4).unwrap();
    for on in [0, 1] {
        set_option(&socket, SocketOption::KeepAlive, on).unwrap();
        for (option, value) in TIMES {
            set_option(&socket, option, value).unwrap();
            let switch = get_option(&socket, SocketOption::KeepAlive).unwrap();
            assert_eq!(switch, on, "{option:?}");
        }
    }
}

#[test]
fn linger_is_off_or_a_number_of_seconds() {
    let socket = net::open(Domain::V4).unwrap();
    assert_eq!(get_option(&socket, SocketOption::Linger).unwrap(), -1);
    for seconds in [0, 5, -1] {
        set_option(&socket, SocketOption::Linger, seconds).unwrap();
        let linger = get_option(&socket, SocketOption::Linger).unwrap();
        assert_eq!(linger, seconds);
    }
}

#[test]
fn a_buffer_is_at_least_as_large_as_was_asked() {
    let socket = net::open(Domain::V4).unwrap();
    for option in [SocketOption::ReceiveBuffer, SocketOption::SendBuffer] {
        set_option(&socket, option, 16_384).unwrap();
        assert!(get_option(&socket, option).unwrap() >= 16_384, "{option:?}");
    }
}

#[test]
fn a_negative_number_is_invalid_unless_it_has_a_meaning() {
    let socket = net::open(Domain::V4).unwrap();
    let invalid = Errno::INVAL.raw_os_error();
    for (option, value) in [
        (SocketOption::Linger, -2),
        (SocketOption::ReceiveBuffer, -1),
        (SocketOption::SendBuffer, i32::MIN),
        (SocketOption::KeepAliveIdle, -1),
        (SocketOption::KeepAliveInterval, -1),
        (SocketOption::KeepAliveCount, -1),
    ] {
        let error = set_option(&socket, option, value).unwrap_err();
        assert_eq!(error.errno(), invalid, "{option:?}");
    }
}

#[test]
fn an_option_of_tcp_is_unknown_to_a_unix_socket() {
    let socket = net::open(Domain::Unix).unwrap();
    assert!(get_option(&socket, SocketOption::NoDelay).is_err());
    assert!(set_option(&socket, SocketOption::NoDelay, 1).is_err());
}

#[test]
fn a_pipe_has_no_options() {
    let (reader, _writer) = net::pipe().unwrap();
    let error = get_option(&reader, SocketOption::KeepAlive).unwrap_err();
    assert_eq!(error.errno(), Errno::NOTSOCK.raw_os_error());
}

const TIMES: [(SocketOption, i32); 3] = [
    (SocketOption::KeepAliveIdle, 31),
    (SocketOption::KeepAliveInterval, 7),
    (SocketOption::KeepAliveCount, 4),
];
