//! `poll(2)` refuses more sources than `RLIMIT_NOFILE`, which may be lowered at any time. One test:
//! the limit is that of the process.
#![cfg(all(target_os = "linux", not(loom)))]

use std::os::fd::OwnedFd;
use std::time::Duration;

use ioloop::event_loop::Budgets;
use ioloop::reactor::{Interest, Token};
use ioloop::timer::TimerId;
use ioloop::{EventLoop, Turn, net};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

#[test]
fn sources_that_were_not_drained_are_reported_whatever_the_limit() {
    for events in [1, 3, 64] {
        for limit in [0, 1, 20] {
            reported_below(events, limit);
        }
    }
}

fn reported_below(events: usize, limit: u64) {
    let budgets = Budgets {
        timers: 1,
        events,
        ..Budgets::default()
    };
    let mut event_loop = EventLoop::<OwnedFd, ()>::with_budgets(budgets).unwrap();
    let peers: Vec<(Token, OwnedFd)> = (0..30)
        .map(|_| {
            let (mine, peer) = net::pair().unwrap();
            rustix::io::write(&peer, b"x").unwrap();
            (
                event_loop
                    .reactor_mut()
                    .register(mine, Interest::READABLE)
                    .unwrap(),
                peer,
            )
        })
        .collect();
    let mut turn = Turn::default();
    // Twice, so that all of them are on the ready list.
    for _ in 0..2 * peers.len() {
        event_loop.turn(0, Some(Duration::ZERO), &mut turn).unwrap();
    }
    let before = getrlimit(Resource::Nofile);
    let lowered = Rlimit {
        current: Some(limit),
        ..before
    };
    setrlimit(Resource::Nofile, lowered).unwrap();
    event_loop.wheel_mut().arm(TimerId(0), 1);
    let mut reports = vec![0; peers.len()];
    let mut fired = 0;
    for _ in 0..4 * peers.len() {
        event_loop.turn(1, Some(Duration::ZERO), &mut turn).unwrap();
        fired += turn.due.len();
        for event in &turn.ready {
            let at = peers.iter().position(|(token, _)| *token == event.token);
            reports[at.expect("a source")] += 1;
        }
    }
    setrlimit(Resource::Nofile, before).unwrap();
    assert_eq!(fired, 1);
    assert!(
        reports.iter().all(|&count| count > 1),
        "budget {events}, limit {limit}: {reports:?}"
    );
}
