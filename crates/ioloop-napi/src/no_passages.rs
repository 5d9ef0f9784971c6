//! Passages where nothing moves between sockets within the kernel: there are none.

#![allow(
    clippy::unused_self,
    reason = "the signatures are those of passages/mod.rs"
)]

use ioloop::reactor::Event;

use crate::native_loop::Core;

/// No passages.
#[derive(Default)]
pub(crate) struct Passages(());

impl Passages {
    pub(crate) fn is_empty(&self) -> bool {
        true
    }

    pub(crate) fn run(&mut self, _core: &Core, _ready: &mut Vec<Event>, _room: usize) -> bool {
        false
    }
}
