//! What the system says about a thread of this process: how it has used its time, and which system
//! call it is in. Linux's `/proc`; elsewhere nothing is known.

#![allow(unsafe_code, reason = "the clock of another thread is libc's")]

use std::borrow::Cow;
use std::fs::{self, File};
use std::mem::MaybeUninit;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

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

/// What the scheduler has counted.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Schedule {
    /// The waits for a CPU that have ended.
    waits: Duration,
    /// How often the thread was given a CPU.
    slices: u64,
}

/// What the thread does now.
struct Present {
    /// How often it has gone to sleep.
    sleeps: u64,
    /// As in the manual page of `/proc`: `R` if it runs or could run.
    state: u8,
}

impl Facts {
    /// Of the calling thread.
    pub(crate) fn of_this_thread() -> Self {
        match own_thread() {
            Some(thread) => Self::of(thread),
            None => Self {
                thread: None,
                accounts: None,
            },
        }
    }

    /// Of a thread of this process.
    pub(crate) fn of(thread: libc::pid_t) -> Self {
        Self {
            thread: Some(thread),
            accounts: Accounts::of(thread),
        }
    }

    /// The time since `started`, and how the thread has used it; `None` if that is not known, or the
    /// thread has ended.
    pub(crate) fn look(&self, started: Instant) -> (Duration, Option<Usage>) {
        let mut seen = None;
        for _ in 0..MOST_TRIES {
            let began = started.elapsed();
            seen = self.accounts.as_ref().and_then(|all| all.look(started));
            if seen.is_none() || started.elapsed().saturating_sub(began) < LONGEST_LOOK {
                break;
            }
        }
        match seen {
            Some((now, usage)) => (now, Some(usage)),
            None => (started.elapsed(), None),
        }
    }

    /// Whether the thread runs or could run.
    pub(crate) fn is_runnable(&self) -> bool {
        self.state() == Some(RUNNABLE)
    }

    /// The time in which the thread has run so far.
    pub(crate) fn cpu(&self) -> Option<Duration> {
        time_of(self.accounts.as_ref()?.clock)
    }

    fn state(&self) -> Option<u8> {
        Some(self.accounts.as_ref()?.present()?.state)
    }

    pub(crate) fn thread(&self) -> Option<libc::pid_t> {
        self.thread
    }

    /// Whether the thread sleeps for a reason that another thread of this process may be: in the
    /// system call by which threads wait for each other, in none (a page fault), or for a lock of the
    /// kernel.
    pub(crate) fn may_wait_for_thread(&self) -> bool {
        self.state() == Some(UNINTERRUPTIBLE)
            || self.system_call().is_none_or(|call| call.is_futex())
    }

    /// The system call that the thread is in.
    pub(crate) fn system_call(&self) -> Option<SystemCall> {
        let text = fs::read_to_string(path(self.thread?, "syscall")).ok()?;
        SystemCall::parse(&text)
    }
}

/// A look that takes longer is taken again: this thread has lost its CPU, and what it has read is of
/// several times. It takes 50 microseconds.
const LONGEST_LOOK: Duration = Duration::from_millis(1);
const MOST_TRIES: u32 = 10;

const RUNNABLE: u8 = b'R';
const UNINTERRUPTIBLE: u8 = b'D';

impl Accounts {
    fn of(thread: libc::pid_t) -> Option<Self> {
        Some(Self {
            schedstat: File::open(path(thread, "schedstat")).ok()?,
            status: File::open(path(thread, "status")).ok()?,
            clock: clock_of(thread)?,
        })
    }

    /// The order of these lines is that of the rules of [`Usage`]: the calling thread may lose its CPU
    /// between any two of them.
    fn look(&self, started: Instant) -> Option<(Duration, Usage)> {
        let schedule = self.schedule()?;
        let cpu_before = time_of(self.clock)?;
        let now = started.elapsed();
        let cpu = time_of(self.clock)?;
        let present = self.present()?;
        let after = self.schedule()?;
        // A thread that was not given a CPU since before `now`, and sleeps, did not wait for one then.
        let is_steady = schedule.slices == after.slices;
        let is_asleep = is_steady && present.state != RUNNABLE;
        let usage = Usage {
            cpu_before,
            cpu,
            waits_before: schedule.waits,
            waits: after.waits,
            sleeps: is_steady.then_some(present.sleeps),
            is_runnable: !is_asleep,
        };
        Some((now, usage))
    }

    /// The second and the third of three numbers, the times in nanoseconds.
    fn schedule(&self) -> Option<Schedule> {
        let mut buffer = [0; 64];
        let text = read(&self.schedstat, &mut buffer)?;
        let mut numbers = text
            .split_whitespace()
            .skip(1)
            .map(|word| word.parse().ok());
        Some(Schedule {
            waits: Duration::from_nanos(numbers.next()??),
            slices: numbers.next()??,
        })
    }

    fn present(&self) -> Option<Present> {
        // Most of it are the groups of the process; without the end of the text nothing is known.
        let mut buffer = [0; 8192];
        let text = read(&self.status, &mut buffer)?;
        let value = |name| {
            let found = text.lines().find_map(|line| line.strip_prefix(name));
            found.map(str::trim_start)
        };
        Some(Present {
            sleeps: value("voluntary_ctxt_switches:")?.parse().ok()?,
            state: *value("State:")?.as_bytes().first()?,
        })
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
    use std::path::Path;

    pub(super) fn own_thread() -> Option<libc::pid_t> {
        let id = rustix::thread::gettid().as_raw_nonzero().get();
        Path::new(&super::path(id, "stat")).exists().then_some(id)
    }

    /// The clock of the CPU time of a thread, as `pthread_getcpuclockid(3)` makes it: the complement of
    /// the thread's id, and three bits: the clock of one thread (4) by the scheduler (2).
    #[expect(clippy::unnecessary_wraps, reason = "other systems have none")]
    pub(super) fn clock_of(thread: libc::pid_t) -> Option<libc::clockid_t> {
        Some((!thread << 3) | 4 | 2)
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod system {
    pub(super) fn own_thread() -> Option<libc::pid_t> {
        None
    }

    pub(super) fn clock_of(_thread: libc::pid_t) -> Option<libc::clockid_t> {
        None
    }
}

use system::{clock_of, own_thread};
