//! Samples of the stack of a JavaScript thread, whatever it does: as profilers take them, by a signal.
//!
//! ```text
//!  watchdog thread                        watched thread
//!  ───────────────                        ──────────────
//!                                         V8 reports its code      ───▶  map of names
//!  wanted, tgkill(2)                ───▶  signal handler: busy
//!  waits for done                   ◀───  V8 walks the frames: done
//!  names of the addresses, by the map
//! ```
//!
//! The handler runs between two instructions of the thread, which may hold any lock: it allocates
//! nothing, takes no lock, and calls one function of V8, which is made for it. A system call that was
//! interrupted goes on.
//!
//! | State | Written by | Next state |
//! | --- | --- | --- |
//! | idle | the watchdog | wanted: a sample is asked for |
//! | wanted | the watchdog | busy: the handler has begun; idle: the wait is over |
//! | busy | the handler | done |
//! | done | the handler | idle: the watchdog has read the sample |
#![allow(unsafe_code, reason = "a signal handler, and V8 is C++")]

use std::cell::{Cell, RefCell};
use std::ffi::{c_int, c_void};
use std::rc::{Rc, Weak};
use std::slice;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use std::{mem, ptr};

use ioloop::watchdog::{CodeMap, Function};
use napi::bindgen_prelude::Env;

use super::registers::registers_of;
use super::v8::{ADDED, CodeEvent, Isolate, MOVED, Registers, STATE_GC, STATE_JS, SampleInfo, V8};

/// What a watched thread shares with the watchdog.
pub(crate) struct Probe {
    v8: &'static V8,
    signal: c_int,
    thread: libc::pid_t,
    /// Used on its own thread only.
    isolate: usize,
    /// False once the environment ends.
    is_attached: AtomicBool,
    map: Mutex<CodeMap>,
    state: AtomicU32,
    count: AtomicUsize,
    frames: [AtomicUsize; FRAMES],
    vm_state: AtomicI32,
    native: AtomicUsize,
}

/// A sample.
pub(crate) struct Sample {
    addresses: Vec<usize>,
    /// V8 collects garbage, and its frames cannot be walked.
    pub(crate) is_collecting: bool,
    /// V8 takes the thread to run JavaScript, and neither a native function nor `Atomics.wait()`.
    pub(crate) is_in_javascript: bool,
    moves: u64,
}

/// The probe of this thread, while a loop of it is watched.
pub(crate) struct Attached {
    probe: Arc<Probe>,
}

const IDLE: u32 = 0;
const WANTED: u32 = 1;
const BUSY: u32 = 2;
const DONE: u32 = 3;

/// The most frames of a sample.
const FRAMES: usize = 64;
/// How long a sample is waited for.
const LIMIT: Duration = Duration::from_millis(15);
/// The same while the thread waits for a CPU.
const LONGEST_LIMIT: Duration = Duration::from_millis(500);
/// The time between two looks at the state, before and after `LIMIT`.
const PAUSES: [Duration; 2] = [Duration::from_micros(50), Duration::from_millis(1)];
/// V8 cuts descriptions to less.
const LONGEST_DESCRIPTION: usize = 8192;

thread_local! {
    /// For the signal handler and V8's events. Without a destructor, so that a read allocates nothing
    /// after the first, which is that of `attach`.
    static CURRENT: Cell<*const Probe> = const { Cell::new(ptr::null()) };
    /// The environment of this thread has the hook that detaches at its end.
    static IS_HOOKED: Cell<bool> = const { Cell::new(false) };
    /// For the other loops of the thread.
    static SHARED: RefCell<Weak<Attached>> = const { RefCell::new(Weak::new()) };
}

impl Attached {
    /// The probe of this thread. `None` where stacks cannot be sampled.
    pub(crate) fn here(env: Env) -> Option<Rc<Self>> {
        SHARED.with_borrow_mut(|shared| {
            if let Some(attached) = shared.upgrade() {
                return Some(attached);
            }
            let attached = Rc::new(Self::attach(env)?);
            *shared = Rc::downgrade(&attached);
            Some(attached)
        })
    }

    pub(crate) fn probe(&self) -> &Arc<Probe> {
        &self.probe
    }

    fn attach(env: Env) -> Option<Self> {
        let v8 = V8::get().ok()?;
        let signal = signal()?;
        // SAFETY: it has no precondition.
        let isolate = unsafe { (v8.isolate_of_this_thread)() };
        if isolate.is_null() {
            return None;
        }
        let probe = Arc::new(Probe {
            v8,
            signal,
            // SAFETY: it has no precondition.
            thread: unsafe { libc::gettid() },
            isolate: isolate.expose_provenance(),
            is_attached: AtomicBool::new(true),
            map: Mutex::default(),
            state: AtomicU32::new(IDLE),
            count: AtomicUsize::new(0),
            frames: [const { AtomicUsize::new(0) }; FRAMES],
            vm_state: AtomicI32::new(0),
            native: AtomicUsize::new(0),
        });
        // An environment that ends may drop the owner after its isolate.
        if !IS_HOOKED.get() {
            env.add_env_cleanup_hook((), |()| on_end()).ok()?;
            IS_HOOKED.set(true);
        }
        CURRENT.set(Arc::as_ptr(&probe));
        // SAFETY: the isolate of this thread; `on_code` may be called until `detach`.
        unsafe { (v8.set_on_code)(isolate, 1, Some(on_code)) };
        Some(Self { probe })
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.probe.detach();
    }
}

impl Probe {
    /// Takes a sample; `None` if the thread does not answer. On the watchdog's thread. While the
    /// thread is runnable it may wait for a CPU, and has more time.
    pub(crate) fn take(&self, is_runnable: impl Fn() -> bool) -> Option<Sample> {
        let moves = self.map().moves();
        self.state.store(WANTED, Ordering::SeqCst);
        // SAFETY: it has no precondition.
        let process = unsafe { libc::getpid() };
        // SAFETY: a system call without pointers. A thread that has ended is an error, and a thread
        // that has its number by now has another probe, or none.
        let sent = unsafe { libc::syscall(libc::SYS_tgkill, process, self.thread, self.signal) };
        let is_done = sent == 0 && self.waits(is_runnable);
        let sample = is_done.then(|| {
            let count = self.count.load(Ordering::Relaxed).min(FRAMES);
            let frames = self.frames.iter().take(count);
            let state = self.vm_state.load(Ordering::Relaxed);
            Sample {
                addresses: frames.map(|frame| frame.load(Ordering::Relaxed)).collect(),
                is_collecting: state == STATE_GC,
                is_in_javascript: state == STATE_JS && self.native.load(Ordering::Relaxed) == 0,
                moves,
            }
        });
        self.state.store(IDLE, Ordering::SeqCst);
        sample
    }

    /// Calls `with` for each function of the sample, the innermost first. False if code has moved
    /// meanwhile: the names may be wrong.
    pub(crate) fn name(&self, sample: &Sample, mut with: impl FnMut(Function<'_>)) -> bool {
        let map = self.map();
        for &address in &sample.addresses {
            map.find(address).map(&mut with);
        }
        map.moves() == sample.moves
    }

    /// Whether V8 has reported functions: it has, unless its events have another layout.
    pub(crate) fn has_names(&self) -> bool {
        !self.map().is_empty()
    }

    /// Waits until the sample is done. A handler that has begun is always waited for.
    fn waits(&self, is_runnable: impl Fn() -> bool) -> bool {
        let begin = Instant::now();
        let [mut pause, longer] = PAUSES;
        while self.state.load(Ordering::Acquire) != DONE {
            let waited = begin.elapsed();
            if waited >= LIMIT {
                pause = longer;
            }
            if waited >= LONGEST_LIMIT || (waited >= LIMIT && !is_runnable()) {
                let given_up =
                    self.state
                        .compare_exchange(WANTED, IDLE, Ordering::SeqCst, Ordering::SeqCst);
                if given_up.is_ok() {
                    return false;
                }
            }
            std::thread::sleep(pause);
        }
        true
    }

    /// On the watched thread.
    fn detach(&self) {
        if !self.is_attached.swap(false, Ordering::Relaxed) {
            return;
        }
        CURRENT.set(ptr::null());
        // SAFETY: the isolate of this thread, which lives: its environment has not ended.
        unsafe { (self.v8.set_on_code)(ptr::with_exposed_provenance_mut(self.isolate), 0, None) };
        // The watchdog may keep the probe for a while.
        *self.map() = CodeMap::default();
    }

    /// In the signal handler, on the watched thread.
    fn sample(&self, registers: &Registers) {
        let wanted = self
            .state
            .compare_exchange(WANTED, BUSY, Ordering::SeqCst, Ordering::SeqCst);
        if wanted.is_err() {
            return;
        }
        let mut frames = [0_usize; FRAMES];
        let mut info = SampleInfo::default();
        let isolate: Isolate = ptr::with_exposed_provenance_mut(self.isolate);
        // SAFETY: the isolate of this thread, interrupted with these registers; V8 writes at most
        // as many frames as it is given.
        unsafe {
            (self.v8.sample)(
                isolate,
                registers,
                frames.as_mut_ptr(),
                FRAMES,
                &raw mut info,
            );
        }
        for (shared, frame) in self.frames.iter().zip(frames) {
            shared.store(frame, Ordering::Relaxed);
        }
        self.count.store(info.frames, Ordering::Relaxed);
        self.vm_state.store(info.state, Ordering::Relaxed);
        self.native.store(info.native, Ordering::Relaxed);
        self.state.store(DONE, Ordering::Release);
    }

    /// Ignores poisoning: the map is whole after each of its functions.
    fn map(&self) -> MutexGuard<'_, CodeMap> {
        self.map.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Called by Node: the environment of this thread ends.
fn on_end() {
    IS_HOOKED.set(false);
    // SAFETY: the probe is alive while it is current.
    if let Some(probe) = unsafe { CURRENT.get().as_ref() } {
        probe.detach();
    }
}

/// The signal of samples: the last real-time signal that is free. Its handler stays.
fn signal() -> Option<c_int> {
    static SIGNAL: OnceLock<Option<c_int>> = OnceLock::new();
    *SIGNAL.get_or_init(|| {
        let mut free = (libc::SIGRTMIN()..=libc::SIGRTMAX())
            .rev()
            .filter(|&signal| {
                // SAFETY: all zeros are a valid value.
                let mut present: libc::sigaction = unsafe { mem::zeroed() };
                // SAFETY: reads the action of a signal.
                let status = unsafe { libc::sigaction(signal, ptr::null(), &raw mut present) };
                status == 0 && present.sa_sigaction == libc::SIG_DFL
            });
        let signal = free.next()?;
        // SAFETY: all zeros are a valid value: no flags, an empty mask.
        let mut action: libc::sigaction = unsafe { mem::zeroed() };
        let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = on_signal;
        action.sa_sigaction = handler as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
        // SAFETY: the action is complete.
        let status = unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
        (status == 0).then_some(signal)
    })
}

/// Called by the system, on any thread, between any two instructions.
extern "C" fn on_signal(_signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // Another one may reach a thread that has no place for `CURRENT` yet, which would be allocated.
    // SAFETY: a handler with SA_SIGINFO gets a siginfo_t.
    if unsafe { (*info).si_code } != libc::SI_TKILL {
        return;
    }
    // SAFETY: the probe is alive while it is current: `detach` comes before its end, on this thread.
    let Some(probe) = (unsafe { CURRENT.get().as_ref() }) else {
        return;
    };
    // SAFETY: it has no precondition.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: the address of this thread's errno.
    let errno = unsafe { &mut *errno };
    let before = *errno;
    // SAFETY: a handler with SA_SIGINFO gets a ucontext_t.
    let context = unsafe { &*context.cast::<libc::ucontext_t>() };
    probe.sample(&registers_of(context));
    *errno = before;
}

/// Called by V8, on the watched thread, also during a garbage collection.
unsafe extern "C" fn on_code(event: *const CodeEvent) {
    // SAFETY: as in `on_signal`.
    let Some(probe) = (unsafe { CURRENT.get().as_ref() }) else {
        return;
    };
    // SAFETY: V8's, for this call.
    let event = unsafe { &*event };
    if event.isolate.addr() != probe.isolate {
        return;
    }
    match event.kind {
        ADDED if event.name_len <= LONGEST_DESCRIPTION && !event.name.is_null() => {
            // SAFETY: V8's, of this length, for this call.
            let name = unsafe { slice::from_raw_parts(event.name.cast(), event.name_len) };
            let description = String::from_utf8_lossy(name);
            probe.map().add(event.start, event.len, &description);
        }
        MOVED => probe.map().relocate(event.start, event.name.addr()),
        _ => {}
    }
}
