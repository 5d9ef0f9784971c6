//! The functions of V8 for sampling profilers. Node exports them under the names of C++; where one is
//! missing, stacks cannot be sampled.
//!
//! The structures begin as in `v8-unwinder.h` and `v8-callbacks.h` of V8 11 to 14. That of an event
//! ends with its isolate, which proves the layout: events of another one are not used.
#![allow(unsafe_code, reason = "V8 is C++")]

use std::ffi::{c_char, c_int, c_void};

use crate::symbols::symbols;

/// An isolate, used on its own thread only.
pub(super) type Isolate = *mut c_void;

/// `v8::RegisterState`.
#[repr(C)]
pub(super) struct Registers {
    pub(super) pc: usize,
    pub(super) sp: usize,
    pub(super) fp: usize,
    pub(super) lr: usize,
    /// A null `unique_ptr`.
    pub(super) callee_saved: usize,
}

/// `v8::SampleInfo`, with room for fields that are added.
#[repr(C)]
#[derive(Default)]
pub(super) struct SampleInfo {
    pub(super) frames: usize,
    /// The native function that JavaScript has called, if V8 has recorded it.
    pub(super) native: usize,
    pub(super) contexts: [usize; 2],
    /// `v8::StateTag`.
    pub(super) state: c_int,
    pub(super) room: [usize; 8],
}

/// `v8::JS`: the thread runs JavaScript, as far as V8 records it.
pub(super) const STATE_JS: c_int = 0;
/// `v8::GC`.
pub(super) const STATE_GC: c_int = 1;

/// `v8::JitCodeEvent`.
#[repr(C)]
pub(super) struct CodeEvent {
    pub(super) kind: c_int,
    pub(super) code_type: c_int,
    pub(super) start: usize,
    pub(super) len: usize,
    script: usize,
    user_data: usize,
    wasm: usize,
    /// A union: the name of added code, or the new start of moved code.
    pub(super) name: *const c_char,
    pub(super) name_len: usize,
    position: usize,
    pub(super) isolate: Isolate,
}

/// `CODE_ADDED`.
pub(super) const ADDED: c_int = 0;
/// `CODE_MOVED`.
pub(super) const MOVED: c_int = 1;

pub(super) type OnCode = unsafe extern "C" fn(*const CodeEvent);

symbols! {
    /// The functions in use. The mangled names hold the types of the arguments; references and
    /// handles are pointers in the ABI.
    pub(super) struct V8 {
        pub(super) isolate_of_this_thread: unsafe extern "C" fn() -> Isolate
            = "_ZN2v87Isolate13TryGetCurrentEv",
        /// Safe in signal handlers. Writes at most `limit` frames.
        pub(super) sample: unsafe extern "C" fn(
            isolate: Isolate,
            registers: *const Registers,
            frames: *mut usize,
            limit: usize,
            info: *mut SampleInfo,
        ) = "_ZN2v87Isolate14GetStackSampleERKNS_13RegisterStateEPPvmPNS_10SampleInfoE",
        /// `options`: 0, or 1 for the code that exists. `None` ends the events.
        pub(super) set_on_code: unsafe extern "C" fn(Isolate, options: c_int, Option<OnCode>)
            = "_ZN2v87Isolate22SetJitCodeEventHandlerENS_19JitCodeEventOptionsEPFvPKNS_12JitCodeEventEE",
    }
}
