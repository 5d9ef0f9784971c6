//! Every interleaving of posting to a lane, draining and closing, by loom.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test -p ioloop --test loom_lane
//! ```
//!
//! In the package, JavaScript is the sender (`ts/boundary/lane.ts`); [`post`] has the same steps.
#![cfg(loom)]

use ioloop::lane::{ARMED, CLOSED, DRAINED, Lane, ONE_RECORD, RECORDS, Refused, STATE, UNITS};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

/// Records of one unit, as the numbers that they have.
fn numbers(records: &[u8]) -> Vec<u8> {
    records.chunks(8).map(|record| record[0]).collect()
}

fn drain(lane: &Lane) -> Vec<u8> {
    let mut records = Vec::new();
    lane.drain(&mut records);
    numbers(&records)
}

fn close(lane: &Lane) -> Vec<u8> {
    let mut records = Vec::new();
    lane.close(&mut records);
    numbers(&records)
}

/// Posts a record of one unit. Whether the loop has to be woken.
fn post(lane: &Lane, number: u8) -> Result<bool, Refused> {
    let memory = lane.memory();
    let mut state = memory[STATE].load(Ordering::SeqCst);
    if state & CLOSED == 0 && RECORDS + 2 * (state & UNITS) as usize == memory.len() {
        lane.flush()?;
        state = 0;
    }
    let at = RECORDS + 2 * (state & UNITS) as usize;
    if state & CLOSED == 0 {
        memory[at].store(u32::from_le_bytes([number, 0, 0, 0]), Ordering::Relaxed);
        memory[at + 1].store(0, Ordering::Relaxed);
    }
    let next = state + ONE_RECORD + 1;
    let swapped =
        memory[STATE].compare_exchange(state & !CLOSED, next, Ordering::SeqCst, Ordering::SeqCst);
    if swapped.is_err() {
        return Err(Refused::Closed);
    }
    Ok(lane.takes_wake())
}

/// A loop that sleeps until it is woken finds every post.
#[test]
fn a_post_is_drained_or_has_woken() {
    loom::model(|| {
        let lane = Arc::new(Lane::new(8, 64));
        let wakes = Arc::new(AtomicUsize::new(0));
        let sender = {
            let (lane, wakes) = (Arc::clone(&lane), Arc::clone(&wakes));
            thread::spawn(move || {
                for number in [1, 2] {
                    if post(&lane, number).unwrap() {
                        wakes.fetch_add(1, Ordering::SeqCst);
                    }
                }
            })
        };
        let before = wakes.load(Ordering::SeqCst);
        let mut seen = drain(&lane);
        sender.join().unwrap();
        let left = !lane.is_empty();
        assert!(
            !left || wakes.load(Ordering::SeqCst) > before,
            "a post without a wake-up"
        );
        assert!(wakes.load(Ordering::SeqCst) <= 2);
        seen.extend(drain(&lane));
        assert_eq!(seen, [1, 2]);
        assert_eq!(lane.accepted(), 2);
        assert_eq!(lane.memory()[DRAINED].load(Ordering::SeqCst), 2);
    });
}

/// A wait of the loop: no post wakes it meanwhile, and none is missed at its end.
#[test]
fn a_post_during_a_wait_is_found_or_wakes() {
    loom::model(|| {
        let lane = Arc::new(Lane::new(16, 64));
        let sender = {
            let lane = Arc::clone(&lane);
            thread::spawn(move || post(&lane, 1).unwrap())
        };
        let was_armed = lane.disarm();
        lane.arm();
        let is_found = !lane.is_empty();
        let has_woken = sender.join().unwrap();
        assert!(!was_armed || is_found || has_woken);
        assert!(lane.has_news());
        assert_eq!(drain(&lane), [1]);
        assert_eq!(lane.memory()[ARMED].load(Ordering::SeqCst), 1);
    });
}

/// An accepted record is drained, or returned by the close; a refused one is neither.
#[test]
fn each_post_is_accepted_once_or_refused() {
    loom::model(|| {
        let lane = Arc::new(Lane::new(8, 64));
        let sender = {
            let lane = Arc::clone(&lane);
            thread::spawn(move || [1, 2].map(|number| post(&lane, number).is_ok()))
        };
        let mut seen = drain(&lane);
        seen.extend(close(&lane));
        let accepted = sender.join().unwrap();
        let expected: Vec<u8> = [1, 2]
            .into_iter()
            .zip(accepted)
            .filter_map(|(number, is_accepted)| is_accepted.then_some(number))
            .collect();
        assert_eq!(seen, expected);
        assert_eq!(lane.accepted(), expected.len() as u64);
    });
}

/// Large records keep their place among the small ones.
#[test]
fn records_stay_in_order_when_some_are_appended() {
    loom::model(|| {
        let lane = Arc::new(Lane::new(16, 64));
        let sender = {
            let lane = Arc::clone(&lane);
            thread::spawn(move || {
                post(&lane, 1).unwrap();
                lane.append(&[&[2], &[0; 3]]).unwrap();
                let _wakes = lane.takes_wake();
                post(&lane, 3).unwrap();
            })
        };
        let mut seen = drain(&lane);
        sender.join().unwrap();
        assert_eq!(lane.has_news(), seen.len() < 3);
        seen.extend(drain(&lane));
        assert_eq!(seen, [1, 2, 3]);
    });
}
