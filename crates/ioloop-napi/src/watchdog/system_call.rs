//! The system call that a thread waits in, and what an interruption does to it.
#![cfg_attr(
    not(any(target_os = "linux", target_os = "android")),
    allow(dead_code, reason = "no call is known")
)]

use std::fs;

/// A system call of another thread.
pub(crate) struct SystemCall {
    number: libc::c_long,
    /// The first argument.
    first: Option<u64>,
    descriptor: Option<u64>,
    known: Option<&'static Known>,
}

/// A call by which a program waits.
#[derive(Debug)]
struct Known {
    number: libc::c_long,
    name: &'static str,
    takes: Takes,
    interrupted: Interrupted,
}

/// The first argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    Descriptor,
    Other,
}

/// What the call does after a handler of a signal with `SA_RESTART`: see signal(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Interrupted {
    /// The system restarts it, or Node does, and the program sees no difference.
    GoesOn,
    /// It may end with EINTR.
    Fails,
    /// It may have written less than it was given, unless it writes to a file.
    IsCut,
}

impl SystemCall {
    /// A line of `/proc/<pid>/syscall`: `running`, or the number and the arguments.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let number: libc::c_long = words.next()?.parse().ok()?;
        if number < 0 {
            return None;
        }
        let first = words.next().and_then(|word| word.strip_prefix("0x"));
        let argument = first.and_then(|word| u64::from_str_radix(word, 16).ok());
        let known = CALLS.iter().find(|known| known.number == number);
        let takes_descriptor = known.is_some_and(|known| known.takes == Takes::Descriptor);
        Some(Self {
            number,
            first: argument,
            descriptor: argument.filter(|_| takes_descriptor),
            known,
        })
    }

    /// As `read of descriptor 23`.
    pub(crate) fn describe(&self) -> String {
        match (self.known, self.descriptor) {
            (Some(known), Some(fd)) => format!("{} of descriptor {fd}", known.name),
            (Some(known), None) => known.name.into(),
            (None, _) => format!("number {}", self.number),
        }
    }

    /// Whether the program sees no difference if a signal interrupts the call.
    pub(crate) fn goes_on(&self) -> bool {
        match self.known.map(|known| known.interrupted) {
            None | Some(Interrupted::GoesOn) => true,
            Some(Interrupted::Fails) => false,
            Some(Interrupted::IsCut) => self.descriptor.is_some_and(is_file),
        }
    }

    /// Whether the thread waits for another one.
    pub(crate) fn is_futex(&self) -> bool {
        self.known.is_some_and(|known| known.name == FUTEX)
    }

    /// Whether the thread waits for another one in both calls, at the same address.
    pub(crate) fn is_same_futex(&self, other: &Self) -> bool {
        self.is_futex() && other.is_futex() && self.first == other.first
    }
}

const FUTEX: &str = "futex";

/// A write to a file is not interrupted.
fn is_file(descriptor: u64) -> bool {
    let found = fs::metadata(format!("/proc/self/fd/{descriptor}"));
    found.is_ok_and(|metadata| metadata.is_file())
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod calls {
    use super::Interrupted::{self, Fails, GoesOn, IsCut};
    use super::Takes::{self, Descriptor, Other};
    use super::{FUTEX, Known};

    const fn call(
        number: libc::c_long,
        name: &'static str,
        takes: Takes,
        interrupted: Interrupted,
    ) -> Known {
        Known {
            number,
            name,
            takes,
            interrupted,
        }
    }

    /// libuv waits by `epoll_pwait` in `child_process.execSync`, and again after a signal.
    pub(super) const CALLS: &[Known] = &[
        call(libc::SYS_accept, "accept", Descriptor, Fails),
        call(libc::SYS_accept4, "accept4", Descriptor, Fails),
        call(libc::SYS_clock_nanosleep, "clock_nanosleep", Other, Fails),
        call(libc::SYS_close, "close", Descriptor, Fails),
        call(libc::SYS_connect, "connect", Descriptor, Fails),
        call(libc::SYS_copy_file_range, "copy_file_range", Other, GoesOn),
        call(libc::SYS_epoll_pwait, "epoll_pwait", Descriptor, GoesOn),
        call(libc::SYS_fcntl, "fcntl", Descriptor, GoesOn),
        call(libc::SYS_fdatasync, "fdatasync", Descriptor, GoesOn),
        call(libc::SYS_flock, "flock", Descriptor, GoesOn),
        call(libc::SYS_fsync, "fsync", Descriptor, GoesOn),
        call(libc::SYS_futex, FUTEX, Other, GoesOn),
        call(libc::SYS_getdents64, "getdents64", Descriptor, GoesOn),
        call(libc::SYS_getrandom, "getrandom", Other, Fails),
        call(libc::SYS_io_getevents, "io_getevents", Other, Fails),
        call(libc::SYS_ioctl, "ioctl", Descriptor, GoesOn),
        call(libc::SYS_msgrcv, "msgrcv", Other, Fails),
        call(libc::SYS_msgsnd, "msgsnd", Other, Fails),
        call(libc::SYS_nanosleep, "nanosleep", Other, Fails),
        call(libc::SYS_openat, "openat", Other, GoesOn),
        call(libc::SYS_ppoll, "ppoll", Other, Fails),
        call(libc::SYS_pread64, "pread64", Descriptor, GoesOn),
        call(libc::SYS_preadv, "preadv", Descriptor, GoesOn),
        call(libc::SYS_pselect6, "pselect6", Other, Fails),
        call(libc::SYS_pwrite64, "pwrite64", Descriptor, IsCut),
        call(libc::SYS_pwritev, "pwritev", Descriptor, IsCut),
        call(libc::SYS_read, "read", Descriptor, GoesOn),
        call(libc::SYS_readv, "readv", Descriptor, GoesOn),
        call(libc::SYS_recvfrom, "recvfrom", Descriptor, Fails),
        call(libc::SYS_recvmmsg, "recvmmsg", Descriptor, Fails),
        call(libc::SYS_recvmsg, "recvmsg", Descriptor, Fails),
        call(libc::SYS_rt_sigsuspend, "rt_sigsuspend", Other, Fails),
        call(libc::SYS_rt_sigtimedwait, "rt_sigtimedwait", Other, Fails),
        call(libc::SYS_semop, "semop", Other, Fails),
        call(libc::SYS_semtimedop, "semtimedop", Other, Fails),
        call(libc::SYS_sendfile, "sendfile", Descriptor, IsCut),
        call(libc::SYS_sendmmsg, "sendmmsg", Descriptor, IsCut),
        call(libc::SYS_sendmsg, "sendmsg", Descriptor, IsCut),
        call(libc::SYS_sendto, "sendto", Descriptor, IsCut),
        call(libc::SYS_splice, "splice", Other, Fails),
        call(libc::SYS_statx, "statx", Other, GoesOn),
        call(libc::SYS_sync, "sync", Other, GoesOn),
        call(libc::SYS_tee, "tee", Other, Fails),
        call(libc::SYS_vmsplice, "vmsplice", Other, Fails),
        call(libc::SYS_wait4, "wait4", Other, GoesOn),
        call(libc::SYS_waitid, "waitid", Other, GoesOn),
        call(libc::SYS_write, "write", Descriptor, IsCut),
        call(libc::SYS_writev, "writev", Descriptor, IsCut),
        #[cfg(target_arch = "x86_64")]
        call(libc::SYS_epoll_wait, "epoll_wait", Descriptor, GoesOn),
        #[cfg(target_arch = "x86_64")]
        call(libc::SYS_open, "open", Other, GoesOn),
        #[cfg(target_arch = "x86_64")]
        call(libc::SYS_pause, "pause", Other, Fails),
        #[cfg(target_arch = "x86_64")]
        call(libc::SYS_poll, "poll", Other, Fails),
        #[cfg(target_arch = "x86_64")]
        call(libc::SYS_select, "select", Other, Fails),
    ];
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod calls {
    pub(super) const CALLS: &[super::Known] = &[];
}

use calls::CALLS;
