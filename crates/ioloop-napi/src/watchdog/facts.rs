//! What the system says about a thread of this process: how long it has waited for a CPU, and which
//! system call it is in. Linux's `/proc`; elsewhere nothing is known.

#![allow(unsafe_code, reason = "the clock of another thread is libc's")]

use std::fs::{self, File};
use std::mem::MaybeUninit;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use ioloop::watchdog::Starvation;

/// One thread.
pub(crate) struct Facts {
    /// `None` without `/proc`.
    thread: Option<libc::pid_t>,
    /// `None` without the times of waits, or without the thread's clock.
    starving: Option<Starving>,
}

struct Starving {
    schedstat: File,
    clock: libc::clockid_t,
    starvation: Starvation,
}

impl Facts {
    /// Of the calling thread.
    pub(crate) fn of_this_thread() -> Self {
        let thread = own_thread();
        let starving = thread.and_then(|id| {
            Some(Starving {
                schedstat: File::open(path(id, "schedstat")).ok()?,
                clock: own_clock()?,
                starvation: Starvation::default(),
            })
        });
        Self { thread, starving }
    }

    /// How long the thread was able to run and has waited for a CPU.
    pub(crate) fn starved(&mut self, now: Duration) -> Duration {
        let Self { thread, starving } = self;
        let Some(starving) = starving else {
            return Duration::ZERO;
        };
        let (Some(counted), Some(cpu)) = (starving.counted(), time_of(starving.clock)) else {
            return Duration::ZERO;
        };
        let is_runnable = || thread.is_some_and(is_runnable);
        starving.starvation.at(now, counted, cpu, is_runnable)
    }

    /// The system call that the thread is in, as `read of descriptor 23`.
    pub(crate) fn system_call(&self) -> Option<String> {
        let text = fs::read_to_string(path(self.thread?, "syscall")).ok()?;
        describe(&text)
    }
}

impl Starving {
    /// The waits that have ended: the second of three numbers, in nanoseconds.
    fn counted(&self) -> Option<Duration> {
        let mut buffer = [0; 64];
        let len = self.schedstat.read_at(&mut buffer, 0).ok()?;
        let text = str::from_utf8(&buffer[..len]).ok()?;
        let counted = text.split_whitespace().nth(1)?.parse().ok()?;
        Some(Duration::from_nanos(counted))
    }
}

/// Whether a thread runs or could run: the letter after its name, which ends with the last bracket.
fn is_runnable(thread: libc::pid_t) -> bool {
    let stat = fs::read_to_string(path(thread, "stat")).unwrap_or_default();
    let state = stat.rsplit_once(')').map(|(_, rest)| rest.trim_start());
    state.is_some_and(|state| state.starts_with('R'))
}

fn time_of(clock: libc::clockid_t) -> Option<Duration> {
    let mut time = MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: writes to the pointer, or fails, as when the thread has ended.
    let status = unsafe { libc::clock_gettime(clock, time.as_mut_ptr()) };
    // SAFETY: written.
    let time = (status == 0).then(|| unsafe { time.assume_init() })?;
    let seconds = u64::try_from(time.tv_sec).ok()?;
    let nanos = u32::try_from(time.tv_nsec).ok()?;
    Some(Duration::new(seconds, nanos))
}

fn path(thread: libc::pid_t, file: &str) -> String {
    format!("/proc/self/task/{thread}/{file}")
}

/// A line of `/proc/<pid>/syscall`: `running`, or the number and the arguments.
fn describe(line: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    let number: libc::c_long = words.next()?.parse().ok()?;
    if number < 0 {
        return None;
    }
    let Some(&(_, name, takes)) = CALLS.iter().find(|&&(known, _, _)| known == number) else {
        return Some(format!("number {number}"));
    };
    let first = words.next().and_then(|word| word.strip_prefix("0x"));
    let descriptor = first.and_then(|word| u64::from_str_radix(word, 16).ok());
    Some(match (takes, descriptor) {
        (Takes::Descriptor, Some(fd)) => format!("{name} of descriptor {fd}"),
        _ => name.into(),
    })
}

#[derive(Clone, Copy)]
enum Takes {
    Descriptor,
    Other,
}

/// The name of the call by which a thread waits for another one.
pub(crate) const FUTEX: &str = "futex";

#[cfg(any(target_os = "linux", target_os = "android"))]
mod system {
    use std::mem::MaybeUninit;
    use std::path::Path;

    use super::Takes::{self, Descriptor, Other};

    pub(super) fn own_thread() -> Option<libc::pid_t> {
        let id = rustix::thread::gettid().as_raw_nonzero().get();
        Path::new(&super::path(id, "stat")).exists().then_some(id)
    }

    /// The clock of the CPU time of the calling thread, which any thread may read.
    pub(super) fn own_clock() -> Option<libc::clockid_t> {
        let mut clock = MaybeUninit::uninit();
        // SAFETY: it has no precondition.
        let thread = unsafe { libc::pthread_self() };
        // SAFETY: writes to the pointer, or fails.
        let status = unsafe { libc::pthread_getcpuclockid(thread, clock.as_mut_ptr()) };
        // SAFETY: written.
        (status == 0).then(|| unsafe { clock.assume_init() })
    }

    /// The calls by which a program waits, with the meaning of their first argument.
    pub(super) const CALLS: &[(libc::c_long, &str, Takes)] = &[
        (libc::SYS_accept, "accept", Descriptor),
        (libc::SYS_accept4, "accept4", Descriptor),
        (libc::SYS_clock_nanosleep, "clock_nanosleep", Other),
        (libc::SYS_close, "close", Descriptor),
        (libc::SYS_connect, "connect", Descriptor),
        (libc::SYS_copy_file_range, "copy_file_range", Descriptor),
        (libc::SYS_epoll_pwait, "epoll_pwait", Descriptor),
        (libc::SYS_fcntl, "fcntl", Descriptor),
        (libc::SYS_fdatasync, "fdatasync", Descriptor),
        (libc::SYS_flock, "flock", Descriptor),
        (libc::SYS_fsync, "fsync", Descriptor),
        (libc::SYS_futex, super::FUTEX, Other),
        (libc::SYS_getdents64, "getdents64", Descriptor),
        (libc::SYS_getrandom, "getrandom", Other),
        (libc::SYS_ioctl, "ioctl", Descriptor),
        (libc::SYS_nanosleep, "nanosleep", Other),
        (libc::SYS_openat, "openat", Other),
        (libc::SYS_ppoll, "ppoll", Other),
        (libc::SYS_pread64, "pread64", Descriptor),
        (libc::SYS_preadv, "preadv", Descriptor),
        (libc::SYS_pselect6, "pselect6", Other),
        (libc::SYS_pwrite64, "pwrite64", Descriptor),
        (libc::SYS_pwritev, "pwritev", Descriptor),
        (libc::SYS_read, "read", Descriptor),
        (libc::SYS_readv, "readv", Descriptor),
        (libc::SYS_recvfrom, "recvfrom", Descriptor),
        (libc::SYS_recvmsg, "recvmsg", Descriptor),
        (libc::SYS_sendmsg, "sendmsg", Descriptor),
        (libc::SYS_sendto, "sendto", Descriptor),
        (libc::SYS_statx, "statx", Other),
        (libc::SYS_sync, "sync", Other),
        (libc::SYS_wait4, "wait4", Other),
        (libc::SYS_waitid, "waitid", Other),
        (libc::SYS_write, "write", Descriptor),
        (libc::SYS_writev, "writev", Descriptor),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_epoll_wait, "epoll_wait", Descriptor),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_open, "open", Other),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_poll, "poll", Other),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_select, "select", Other),
    ];
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod system {
    use super::Takes;

    pub(super) fn own_thread() -> Option<libc::pid_t> {
        None
    }

    pub(super) fn own_clock() -> Option<libc::clockid_t> {
        None
    }

    pub(super) const CALLS: &[(libc::c_long, &str, Takes)] = &[];
}

use system::{CALLS, own_clock, own_thread};
