//! Operations of the core's hot paths. The criterion benches time them; the guard against regressions
//! counts their instructions (`benches/guard/main.mjs`). A crate of its own: the tests of the core do
//! not wait for criterion.

use std::os::fd::OwnedFd;
use std::time::Duration;

use ioloop::net;
use ioloop::reactor::{Interest, Token};
use ioloop::timer::{TimerId, Wheel};
use ioloop::{EventLoop, Turn};

const MILLISECOND: u64 = 1_000_000;
const START: u64 = 1_000_000 * MILLISECOND;
/// Timers that are pending besides those of an operation.
const RESIDENT: u32 = 10_000;

/// A prepared operation: each call runs it once.
pub type Operation = Box<dyn FnMut()>;

/// The operation of a name.
#[must_use]
pub fn operation(name: &str) -> Option<Operation> {
    Some(match name {
        "wheel: arm and cancel" => arm_and_cancel(),
        "wheel: arm and fire" => arm_and_fire(),
        "turn: nothing ready" => turn_idle(),
        "turn: one source ready" => turn_ready(Interest::READABLE),
        "turn: one edge-triggered source ready" => turn_ready(Interest::READABLE | Interest::EDGE),
        "inbox: post and collect" => post_and_collect(),
        _ => return None,
    })
}

/// The names of all operations.
pub const NAMES: [&str; 6] = [
    "wheel: arm and cancel",
    "wheel: arm and fire",
    "turn: nothing ready",
    "turn: one source ready",
    "turn: one edge-triggered source ready",
    "inbox: post and collect",
];

fn arm_and_cancel() -> Operation {
    let mut wheel = wheel();
    let mut step = 0;
    Box::new(move || {
        step += 1;
        wheel.arm(
            TimerId(RESIDENT),
            START + (step * 7919 % 60_000) * MILLISECOND,
        );
        assert!(wheel.cancel(TimerId(RESIDENT)));
    })
}

fn arm_and_fire() -> Operation {
    let mut wheel = Wheel::new();
    let mut due = Vec::new();
    let mut now = START;
    wheel.expire(now, usize::MAX, &mut due);
    Box::new(move || {
        now += MILLISECOND / 4;
        wheel.arm(TimerId(0), now);
        due.clear();
        wheel.expire(now, usize::MAX, &mut due);
        assert_eq!(due, [TimerId(0)]);
    })
}

fn turn_idle() -> Operation {
    let mut event_loop = new_loop();
    let mut turn = Turn::default();
    Box::new(move || {
        take_turn(&mut event_loop, &mut turn);
        assert!(turn.ready.is_empty());
    })
}

/// A byte arrives, is reported, and is read until the source is drained.
fn turn_ready(interest: Interest) -> Operation {
    let mut event_loop = new_loop();
    let (reader, writer) = net::pipe().expect("a pipe");
    let token: Token = event_loop
        .reactor_mut()
        .register(reader, interest)
        .expect("a registration");
    let mut turn = Turn::default();
    let mut buffer = [0; 16];
    Box::new(move || {
        net::write(&writer, b"x").expect("room for a byte");
        take_turn(&mut event_loop, &mut turn);
        assert_eq!(turn.ready.len(), 1);
        let reader = event_loop.reactor().source(token).expect("its source");
        while net::read(reader, &mut buffer).is_ok() {}
        event_loop
            .reactor_mut()
            .drained(token, turn.ready[0].readiness);
    })
}

fn post_and_collect() -> Operation {
    let mut event_loop = new_loop();
    let handle = event_loop.handle().expect("an eventfd");
    let mut turn = Turn::default();
    Box::new(move || {
        handle.post(1).expect("an open loop");
        take_turn(&mut event_loop, &mut turn);
        assert_eq!(turn.commands, [1]);
    })
}

fn wheel() -> Wheel {
    let mut wheel = Wheel::new();
    wheel.expire(START, 0, &mut Vec::new());
    for id in 0..RESIDENT {
        wheel.arm(TimerId(id), START + u64::from(id) * 6 * MILLISECOND);
    }
    wheel
}

fn new_loop() -> EventLoop<OwnedFd, u32> {
    EventLoop::new().expect("two descriptors")
}

fn take_turn(event_loop: &mut EventLoop<OwnedFd, u32>, turn: &mut Turn<u32>) {
    event_loop
        .turn(START, Some(Duration::ZERO), turn)
        .expect("a turn");
}
