//! Where stacks cannot be sampled: see `probe.rs` for Linux on x86-64 and ARM64.

use std::rc::Rc;
use std::sync::Arc;

use ioloop::watchdog::Function;
use napi::bindgen_prelude::Env;

pub(crate) enum Attached {}

pub(crate) enum Probe {}

pub(crate) struct Sample {
    pub(crate) is_collecting: bool,
    pub(crate) is_in_javascript: bool,
}

impl Attached {
    pub(crate) fn here(_env: Env) -> Option<Rc<Self>> {
        None
    }

    pub(crate) fn probe(&self) -> &Arc<Probe> {
        match *self {}
    }
}

impl Probe {
    pub(crate) fn take(&self, _is_runnable: impl Fn() -> bool) -> Option<Sample> {
        match *self {}
    }

    pub(crate) fn has_names(&self) -> bool {
        match *self {}
    }

    pub(crate) fn name(&self, _sample: &Sample, _with: impl FnMut(Function<'_>)) -> bool {
        match *self {}
    }
}
