//! Ends a wait at the earliest deadline, from inside the set that is waited on.
//!
//! On Linux a `timerfd(2)` in the epoll set: whoever watches the set (libuv, a thread) needs no
//! timer of its own, and the wake-up comes within tens of microseconds where a host timer
//! rounds to a millisecond. Elsewhere there is none, and the host arms a timer.

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) use timerfd::Alarm;

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) use absent::Alarm;

#[cfg(any(target_os = "linux", target_os = "android"))]
mod timerfd {
    use std::io;
    use std::os::fd::{AsRawFd, OwnedFd};

    use mio::unix::SourceFd;
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };

    use crate::reactor::token::ALARM;

    pub(crate) struct Alarm {
        timer: OwnedFd,
        /// The tick it will ring at; `None` when it has rung or was never set.
        armed: Option<u64>,
    }

    impl Alarm {
        /// Whether this system has one.
        pub(crate) const EXISTS: bool = true;

        pub(crate) fn new(registry: &mio::Registry) -> io::Result<Self> {
            let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
            let alarm = Self {
                timer: timerfd_create(TimerfdClockId::Monotonic, flags)?,
                armed: None,
            };
            alarm.register(registry)?;
            Ok(alarm)
        }

        pub(crate) fn register(&self, registry: &mio::Registry) -> io::Result<()> {
            let fd = self.timer.as_raw_fd();
            registry.register(&mut SourceFd(&fd), ALARM, mio::Interest::READABLE)
        }

        /// Rings at `deadline`, seen from `now`. Moves only forward: an alarm that rings too early
        /// costs one empty turn, setting it back would cost a system call each time.
        pub(crate) fn set(&mut self, now: u64, deadline: u64) -> io::Result<()> {
            if self.armed.is_some_and(|armed| armed <= deadline) {
                return Ok(());
            }
            // Zero would disarm it.
            let wait = deadline.saturating_sub(now).max(1);
            let spec = Itimerspec {
                it_interval: Timespec {
                    tv_sec: 0,
                    tv_nsec: 0,
                },
                it_value: Timespec {
                    tv_sec: (wait / NANOS).cast_signed(),
                    tv_nsec: (wait % NANOS).cast_signed(),
                },
            };
            timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &spec)?;
            self.armed = Some(deadline);
            Ok(())
        }

        /// It has rung. Its counter is left unread: the set reports edges, and the next
        /// [`set`](Self::set) clears it.
        pub(crate) fn rang(&mut self) {
            self.armed = None;
        }
    }

    const NANOS: u64 = 1_000_000_000;
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod absent {
    use std::io;

    pub(crate) struct Alarm;

    impl Alarm {
        pub(crate) const EXISTS: bool = false;

        pub(crate) fn new(_registry: &mio::Registry) -> io::Result<Self> {
            Ok(Self)
        }

        pub(crate) fn register(&self, _registry: &mio::Registry) -> io::Result<()> {
            Ok(())
        }

        pub(crate) fn set(&mut self, _now: u64, _deadline: u64) -> io::Result<()> {
            Ok(())
        }

        pub(crate) fn rang(&mut self) {}
    }
}
