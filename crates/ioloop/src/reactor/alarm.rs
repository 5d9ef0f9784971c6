//! Ends a wait at the earliest deadline, as an event of the selector.
//!
//! # Portability
//!
//! On Linux, a `timerfd(2)` in the epoll set. The driver that watches the set needs no timer, and
//! wakes within tens of microseconds of the deadline, where a host timer rounds to a millisecond.
//! The other selectors have no alarm (`no_alarm.rs`), and the host arms a timer.

#[cfg(all(any(target_os = "linux", target_os = "android"), selector = "epoll"))]
pub(crate) use timerfd::Alarm;

#[cfg(not(all(any(target_os = "linux", target_os = "android"), selector = "epoll")))]
pub(crate) use super::no_alarm::Alarm;

#[cfg(all(any(target_os = "linux", target_os = "android"), selector = "epoll"))]
mod timerfd {
    use std::io;
    use std::os::fd::OwnedFd;

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };

    use crate::reactor::Selector;

    pub(crate) struct Alarm {
        timer: OwnedFd,
        /// The tick at which it fires; `None` if it has fired or was never set.
        armed: Option<u64>,
        /// The caller's clock may step against the kernel's.
        clock_steps: bool,
    }

    impl Alarm {
        /// Whether this system has an alarm.
        pub(crate) const EXISTS: bool = true;

        pub(crate) fn new(selector: &Selector) -> io::Result<Self> {
            let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
            let alarm = Self {
                timer: timerfd_create(TimerfdClockId::Monotonic, flags)?,
                armed: None,
                clock_steps: false,
            };
            alarm.register(selector)?;
            Ok(alarm)
        }

        pub(crate) fn register(&self, selector: &Selector) -> io::Result<()> {
            selector.add_alarm(&self.timer)
        }

        /// Declares whether the ticks given to [`set`](Self::set) may step. If so, every call sets
        /// the timer.
        pub(crate) fn expect_steps(&mut self, clock_steps: bool) {
            self.clock_steps = clock_steps;
        }

        /// Fires at `deadline` or earlier, as of `now`. The alarm is only moved to an earlier time:
        /// one that fires early costs an empty turn, while moving it to a later time would cost a
        /// system call for each cancelled timer.
        ///
        /// An alarm that is past and has not fired is set again: the caller's clock was set
        /// forward, and the kernel's timer still has the step to wait.
        pub(crate) fn set(&mut self, now: u64, deadline: u64) -> io::Result<()> {
            let fires_in_time = self
                .armed
                .is_some_and(|armed| now < armed && armed <= deadline);
            if fires_in_time && !self.clock_steps {
                return Ok(());
            }
            // Zero would disarm the timer.
            let wait = deadline.saturating_sub(now).clamp(1, LONGEST_WAIT);
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
            self.armed = Some(now.saturating_add(wait));
            Ok(())
        }

        /// Takes note that the alarm has fired. Its counter is not read: the selector reports
        /// edges, and the next [`set`](Self::set) clears it.
        pub(crate) fn fired(&mut self) {
            self.armed = None;
        }
    }

    const NANOS: u64 = 1_000_000_000;

    /// A year. Kernels before 5.1 refuse waits beyond 2^31 seconds on 32 bits.
    const LONGEST_WAIT: u64 = 365 * 24 * 60 * 60 * NANOS;

    #[cfg(test)]
    mod tests {
        use rustix::time::timerfd_gettime;

        use super::*;

        const SECOND: u64 = NANOS;

        fn alarm() -> (Selector, Alarm) {
            let selector = Selector::new(1).unwrap();
            let alarm = Alarm::new(&selector).unwrap();
            (selector, alarm)
        }

        /// Seconds until the kernel's timer fires, rounded up.
        fn remaining(alarm: &Alarm) -> u64 {
            let left = timerfd_gettime(&alarm.timer).unwrap().it_value;
            left.tv_sec.cast_unsigned() + u64::from(left.tv_nsec > 0)
        }

        #[test]
        fn the_alarm_is_moved_to_an_earlier_time_only() {
            let (_selector, mut alarm) = alarm();
            alarm.set(0, 100 * SECOND).unwrap();
            alarm.set(0, 200 * SECOND).unwrap();
            assert_eq!(remaining(&alarm), 100);
            alarm.set(0, 50 * SECOND).unwrap();
            assert_eq!(remaining(&alarm), 50);
        }

        #[test]
        fn an_alarm_that_is_past_and_has_not_fired_is_set_again() {
            let (_selector, mut alarm) = alarm();
            alarm.set(0, 1_000 * SECOND).unwrap();
            alarm.set(2_000 * SECOND, 2_001 * SECOND).unwrap();
            assert_eq!(remaining(&alarm), 1);
        }

        #[test]
        fn with_a_clock_that_steps_the_alarm_is_set_each_time() {
            let (_selector, mut alarm) = alarm();
            alarm.expect_steps(true);
            alarm.set(0, 1_000 * SECOND).unwrap();
            alarm.set(900 * SECOND, 1_000 * SECOND).unwrap();
            assert_eq!(remaining(&alarm), 100);
            alarm.set(0, 1_000 * SECOND).unwrap();
            assert_eq!(remaining(&alarm), 1_000);
        }

        #[test]
        fn a_wait_of_centuries_is_cut_to_a_year_and_set_again_then() {
            let (_selector, mut alarm) = alarm();
            alarm.set(0, u64::MAX).unwrap();
            assert_eq!(remaining(&alarm), LONGEST_WAIT / SECOND);
            assert_eq!(alarm.armed, Some(LONGEST_WAIT));
            alarm.fired();
            alarm.set(LONGEST_WAIT, u64::MAX).unwrap();
            assert_eq!(alarm.armed, Some(2 * LONGEST_WAIT));
        }
    }
}
