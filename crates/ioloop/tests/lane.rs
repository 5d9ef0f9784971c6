//! A lane: its bounds, and what it returns when it is closed.
#![cfg(not(loom))]

use std::sync::atomic::Ordering;

use ioloop::Lane;
use ioloop::lane::{DRAINED, ONE_RECORD, RECORDS, REFUSED, Refused, STATE};

fn drained(lane: &Lane) -> Vec<u8> {
    let mut records = Vec::new();
    lane.drain(&mut records);
    records
}

#[test]
fn records_are_padded_to_whole_units() {
    let lane = Lane::new(64, 64);
    lane.append(&[&[1, 2, 3], &[4]]).unwrap();
    lane.append(&[&[5; 8]]).unwrap();
    assert_eq!(
        drained(&lane),
        [1, 2, 3, 4, 0, 0, 0, 0, 5, 5, 5, 5, 5, 5, 5, 5]
    );
    assert_eq!(lane.memory()[DRAINED].load(Ordering::SeqCst), 2);
}

#[test]
fn a_record_of_the_memory_comes_before_one_that_is_appended_later() {
    let lane = Lane::new(64, 64);
    lane.memory()[RECORDS].store(7, Ordering::Relaxed);
    lane.memory()[STATE].store(ONE_RECORD + 1, Ordering::SeqCst);
    assert!(!lane.is_empty());
    lane.append(&[&[8]]).unwrap();
    assert_eq!(lane.memory()[STATE].load(Ordering::SeqCst), 0);
    let records = drained(&lane);
    assert_eq!([records[0], records[8]], [7, 8]);
}

#[test]
fn a_lane_that_is_retired_passes_its_posts_on_in_order_and_keeps_no_memory() {
    let lane = Lane::new(64, 64);
    lane.append(&[&[1]]).unwrap();
    lane.memory()[RECORDS].store(2, Ordering::Relaxed);
    lane.memory()[STATE].store(ONE_RECORD + 1, Ordering::SeqCst);
    lane.memory()[REFUSED].store(3, Ordering::Relaxed);
    let retired = lane.retire();
    assert!(lane.is_empty());
    assert!(retired.has_news());
    assert!(!retired.is_empty());
    assert_eq!(retired.memory().len(), RECORDS);
    assert_eq!((retired.accepted(), retired.refused()), (2, 3));
    let records = drained(&retired);
    assert_eq!([records[0], records[8]], [1, 2]);
    assert_eq!((retired.accepted(), retired.drained()), (2, 2));
    assert!(retired.is_empty());
}

#[test]
fn appended_bytes_are_bounded_and_one_large_record_is_accepted() {
    let lane = Lane::new(64, 16);
    lane.append(&[&[0; 100]]).unwrap();
    assert_eq!(lane.append(&[&[1]]), Err(Refused::Full));
    assert_eq!(lane.flush(), Err(Refused::Full));
    assert_eq!(drained(&lane).len(), 104);
    lane.append(&[&[1]]).unwrap();
    assert_eq!(lane.accepted(), 2);
}

#[test]
fn bytes_elsewhere_are_bounded_with_those_of_the_records() {
    let lane = Lane::new(64, 64);
    lane.append_with(&[&[1]], 40).unwrap();
    lane.append_with(&[&[2]], 40).unwrap();
    assert_eq!(lane.append(&[&[3]]), Err(Refused::Full));
    assert_eq!(drained(&lane).len(), 16);
    lane.append_with(&[&[4]], usize::MAX).unwrap();
    assert_eq!(lane.append_with(&[&[5]], usize::MAX), Err(Refused::Full));
    let mut left = Vec::new();
    lane.close(&mut left);
    assert_eq!(left[0], 4);
}

#[test]
fn large_records_follow_each_other_after_drains() {
    let lane = Lane::new(64, 1 << 20);
    let record = vec![7; 1 << 20];
    for _ in 0..3 {
        lane.append(&[&record]).unwrap();
        assert_eq!(drained(&lane), record);
    }
    assert_eq!(lane.drained(), 3);
}

#[test]
fn a_closed_lane_returns_what_it_has_and_refuses_the_rest() {
    let lane = Lane::new(64, 64);
    lane.append(&[&[1]]).unwrap();
    let mut left = Vec::new();
    lane.close(&mut left);
    assert_eq!(left, [1, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(lane.append(&[&[2]]), Err(Refused::Closed));
    assert_eq!(lane.flush(), Err(Refused::Closed));
    assert!(lane.is_empty());
}
