//! In the place of an alarm, where the selector has none: the host begins a turn at
//! [`next_wake`](crate::EventLoop::next_wake).

#![allow(
    clippy::unnecessary_wraps,
    clippy::unused_self,
    reason = "the signatures are those of the timerfd, which may fail"
)]

use std::io;

use crate::reactor::Selector;

pub(crate) struct Alarm;

impl Alarm {
    pub(crate) const EXISTS: bool = false;

    pub(crate) fn new(_selector: &Selector) -> io::Result<Self> {
        Ok(Self)
    }

    pub(crate) fn register(&self, _selector: &Selector) -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn expect_steps(&mut self, _clock_steps: bool) {}

    pub(crate) fn set(&mut self, _now: u64, _deadline: u64) -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn fired(&mut self) {}
}
