//! What the system says about a thread of this process: how it has used its time, and which system
//! call it is in. Linux's `/proc`; elsewhere nothing is known.

#![allow(unsafe_code, reason = "the clock of another thread is libc's")]

use std::borrow::Cow;
use std::fs::{self, File};
use std::mem::MaybeUninit;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use ioloop::watchdog::Usage;

use super::system_call::SystemCall;

/// One thread.
pub(crate) struct Facts {
    /// `None` without `/proc`.
    thread: Option<libc::pid_t>,
    /// `None` without the times of waits, or without the thread's clock.
    accounts: Option<Accounts>,
}

/// Where the system keeps the account of a thread.
struct Accounts {
    schedstat: File,
    status: File,
    clock: libc::clockid_t,
}

impl Facts {
    /// Of the calling thread.
    pub(crate) fn of_this_thread() -> Self {
        let thread = own_thread();
        let accounts = thread.and_then(|id| {
            Some(Accounts {
                schedstat: File::open(path(id, "schedstat")).ok()?,
                status: File::open(path(id, "status")).ok()?,
                clock: own_clock()?,
            })
        });
        Self { thread, accounts }
    }

    /// How the thread has used its time; `None` if that is not known, or the thread has ended.
    pub(crate) fn usage(&self) -> Option<Usage> {
        let accounts = self.accounts.as_ref()?;
        let (sleeps, is_runnable) = accounts.sleeps()?;
        Some(Usage {
            cpu: time_of(accounts.clock)?,
            waits: accounts.waits()?,
            sleeps,
            is_runnable,
        })
    }

    /// Whether the thread runs or could run.
    pub(crate) fn is_runnable(&self) -> bool {
        let sleeps = self.accounts.as_ref().and_then(Accounts::sleeps);
        sleeps.is_some_and(|(_, is_runnable)| is_runnable)
    }

    pub(crate) fn thread(&self) -> Option<libc::pid_t> {
        self.thread
    }

    /// Whether the thread is in no system call but that by which threads wait for each other.
    pub(crate) fn may_wait_for_thread(&self) -> bool {
        self.system_call().is_none_or(|call| call.is_futex())
    }

    /// The system call that the thread is in.
    pub(crate) fn system_call(&self) -> Option<SystemCall> {
        let text = fs::read_to_string(path(self.thread?, "syscall")).ok()?;
        SystemCall::parse(&text)
    }
}

impl Accounts {
    /// The waits for a CPU that have ended: the second of three numbers, in nanoseconds.
    fn waits(&self) -> Option<Duration> {
        let mut buffer = [0; 64];
        let text = read(&self.schedstat, &mut buffer)?;
        let waits = text.split_whitespace().nth(1)?.parse().ok()?;
        Some(Duration::from_nanos(waits))
    }

    /// How often the thread has gone to sleep, and whether it runs or could run.
    fn sleeps(&self) -> Option<(u64, bool)> {
        // Most of it are the groups of the process; without the end of the text nothing is known.
        let mut buffer = [0; 8192];
        let text = read(&self.status, &mut buffer)?;
        let value = |name| {
            let found = text.lines().find_map(|line| line.strip_prefix(name));
            found.map(str::trim_start)
        };
        let sleeps = value("voluntary_ctxt_switches:")?.parse().ok()?;
        Some((sleeps, value("State:")?.starts_with('R')))
    }
}

/// The text of a small file. The name of a thread may be cut in the midst of a character.
fn read<'a>(file: &File, buffer: &'a mut [u8]) -> Option<Cow<'a, str>> {
    let len = file.read_at(buffer, 0).ok()?;
    buffer.get(..len).map(String::from_utf8_lossy)
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

#[cfg(any(target_os = "linux", target_os = "android"))]
mod system {
    use std::mem::MaybeUninit;
    use std::path::Path;

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
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod system {
    pub(super) fn own_thread() -> Option<libc::pid_t> {
        None
    }

    pub(super) fn own_clock() -> Option<libc::clockid_t> {
        None
    }
}

use system::{own_clock, own_thread};
