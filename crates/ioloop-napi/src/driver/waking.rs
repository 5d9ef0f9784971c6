//! The thread of a driver, and the function that it calls.

use std::io;
use std::thread::{Builder, JoinHandle};

use napi::Status;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};

/// The function that wakes the loop, for another thread.
pub(super) type Wake = ThreadsafeFunction<(), (), (), Status, false>;

/// Wakes the loop. Fails only while the environment ends, which ends the calling thread too.
pub(super) fn call(wake: &Wake) {
    wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
}

/// A running thread.
pub(super) struct Waking(Option<JoinHandle<()>>);

impl Waking {
    pub(super) fn start(run: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let thread = Builder::new().name("ioloop-driver".into()).spawn(run)?;
        Ok(Self(Some(thread)))
    }

    /// Waits until it has ended, as it was ordered to.
    pub(super) fn join(&mut self) {
        if let Some(thread) = self.0.take() {
            let _panicked = thread.join();
        }
    }
}
