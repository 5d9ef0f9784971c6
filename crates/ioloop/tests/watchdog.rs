//! When a watch calls a loop blocked: by the pulse and the time that it is given.

use std::time::Duration;

use ioloop::watchdog::{
    ANSWER_LIMIT, AttentiveClock, Case, LEAD, LONGEST_STEP, Patience, Pulse, Sampler, Step,
    Verdict, Watch,
};

const MS: Duration = Duration::from_millis(1);
const STUCK: Pulse = Pulse {
    iterations: 7,
    idle: 1_000,
};

/// Looks each millisecond from `from` to `to`, always at the same pulse.
fn looks(watch: &mut Watch, from: u32, to: u32) -> Vec<(u32, Duration)> {
    (from..=to)
        .filter_map(|at| match watch.look(at * MS, STUCK) {
            Verdict::Blocked(quiet) => Some((at, quiet)),
            Verdict::Alive | Verdict::Quiet(_) => None,
        })
        .collect()
}

#[test]
fn a_block_is_told_once_at_the_threshold() {
    let mut watch = Watch::new(100 * MS);
    assert_eq!(looks(&mut watch, 5, 1_000), [(105, 100 * MS)]);
}

#[test]
fn the_next_block_is_told_again() {
    let mut watch = Watch::new(100 * MS);
    assert_eq!(looks(&mut watch, 0, 300).len(), 1);
    let moved = Pulse {
        iterations: 8,
        ..STUCK
    };
    assert_eq!(watch.look(301 * MS, moved), Verdict::Alive);
    assert_eq!(looks(&mut watch, 302, 600), [(402, 100 * MS)]);
}

#[test]
fn iterations_without_idle_time_are_progress() {
    let mut watch = Watch::new(10 * MS);
    for at in 0..1_000 {
        let pulse = Pulse {
            iterations: u32::MAX.wrapping_add(at),
            idle: 5,
        };
        assert_eq!(watch.look(at * MS, pulse), Verdict::Alive);
    }
}

#[test]
fn a_wait_without_iterations_is_progress() {
    let mut watch = Watch::new(10 * MS);
    for at in 0..1_000 {
        let pulse = Pulse {
            iterations: 3,
            idle: u64::from(at),
        };
        assert_eq!(watch.look(at * MS, pulse), Verdict::Alive);
    }
}

#[test]
fn the_first_look_begins_the_threshold() {
    let mut watch = Watch::new(100 * MS);
    assert_eq!(watch.look(10_000 * MS, STUCK), Verdict::Alive);
    assert_eq!(watch.look(10_099 * MS, STUCK), Verdict::Quiet(99 * MS));
    assert_eq!(watch.look(10_100 * MS, STUCK), Verdict::Blocked(100 * MS));
}

#[test]
fn a_pause_of_the_looking_thread_counts_as_one_step() {
    let mut clock = AttentiveClock::default();
    let mut watch = Watch::new(100 * MS);
    assert_eq!(clock.advance(1_000 * MS), Duration::ZERO);
    assert_eq!(watch.look(clock.advance(1_001 * MS), STUCK), Verdict::Alive);
    // Stopped for an hour, and continued: the loop had no chance to make progress either.
    let after = clock.advance(3_600_000 * MS);
    assert_eq!(after, MS + LONGEST_STEP);
    assert_eq!(watch.look(after, STUCK), Verdict::Quiet(LONGEST_STEP));
}

#[test]
fn a_clock_that_goes_back_stands_still() {
    let mut clock = AttentiveClock::default();
    clock.advance(10 * MS);
    assert_eq!(clock.advance(15 * MS), 5 * MS);
    assert_eq!(clock.advance(2 * MS), 5 * MS);
    assert_eq!(clock.advance(4 * MS), 7 * MS);
}

#[test]
fn looks_are_never_rarer_than_promised() {
    for (threshold, interval) in [(1, 1), (20, 5), (100, 10), (60_000, 10)] {
        assert_eq!(Watch::new(threshold * MS).interval(), interval * MS);
    }
}

/// When a threshold of 200 ms asks.
const ASKED: Duration = Duration::from_millis(200).saturating_sub(LEAD);

/// A case with a threshold of 200 ms that was asked, blocked since 0.
fn asked(patience: Patience) -> Case<&'static str> {
    let mut case = Case::new(200 * MS, Sampler::Ready, patience);
    assert_eq!(case.look(Duration::ZERO, STUCK), Step::Wait);
    assert_eq!(case.look(ASKED.saturating_sub(MS), STUCK), Step::Wait);
    assert_eq!(case.look(ASKED, STUCK), Step::Ask);
    case
}

/// A case whose report was made without an answer, at this time.
fn late() -> (Case<&'static str>, Duration) {
    let mut case = asked(Patience::DuringBlock);
    let late = 200 * MS + ANSWER_LIMIT;
    assert_eq!(case.look(late.saturating_sub(MS), STUCK), Step::Wait);
    assert_eq!(case.look(late, STUCK), Step::Report(late, None));
    (case, late)
}

fn moved(at: u32) -> Pulse {
    Pulse {
        iterations: at,
        ..STUCK
    }
}

#[test]
fn without_a_sampler_a_block_is_reported_at_the_threshold() {
    let mut case: Case<()> = Case::new(200 * MS, Sampler::Absent, Patience::DuringBlock);
    assert_eq!(case.look(Duration::ZERO, STUCK), Step::Wait);
    assert_eq!(case.look(199 * MS, STUCK), Step::Wait);
    assert_eq!(case.look(200 * MS, STUCK), Step::Report(200 * MS, None));
    assert_eq!(case.look(210 * MS, STUCK), Step::Wait);
}

#[test]
fn a_report_comes_at_the_threshold_with_the_answer_of_the_sampler() {
    let mut case = asked(Patience::DuringBlock);
    assert!(case.is_asked());
    case.answer("stack");
    assert!(!case.is_asked());
    assert_eq!(case.look(199 * MS, STUCK), Step::Wait);
    let reported = case.look(200 * MS, STUCK);
    assert_eq!(reported, Step::Report(200 * MS, Some("stack")));
    assert_eq!(case.look(900 * MS, STUCK), Step::Wait);
}

#[test]
fn a_block_that_ends_before_the_threshold_is_not_reported() {
    let mut case = asked(Patience::DuringBlock);
    case.answer("stack");
    assert_eq!(case.look(199 * MS, moved(8)), Step::Wait);
    assert_eq!(case.look(300 * MS, moved(9)), Step::Wait);
    assert_eq!(case.look(301 * MS, moved(9)), Step::Wait);
}

#[test]
fn a_late_answer_supplements_the_report() {
    let (mut case, _) = late();
    assert_eq!(case.look(800 * MS, STUCK), Step::Wait);
    case.answer("stack");
    let supplement = case.look(900 * MS, STUCK);
    assert_eq!(supplement, Step::Supplement(900 * MS, "stack"));
    assert_eq!(case.look(950 * MS, STUCK), Step::Wait);
}

#[test]
fn a_patient_report_waits_for_the_end_of_the_block() {
    let mut case = asked(Patience::AfterBlock);
    assert_eq!(case.look(5_000 * MS, STUCK), Step::Wait);
    assert_eq!(case.look(5_010 * MS, moved(8)), Step::Wait);
    let end = 5_000 * MS + ANSWER_LIMIT;
    assert_eq!(case.look(end, moved(9)), Step::Report(5_000 * MS, None));
}

#[test]
fn an_answer_after_the_end_of_the_block_is_still_reported() {
    let mut case = asked(Patience::DuringBlock);
    assert_eq!(case.look(205 * MS, STUCK), Step::Wait);
    assert_eq!(case.look(206 * MS, moved(8)), Step::Wait);
    case.answer("stack");
    let reported = case.look(207 * MS, moved(9));
    assert_eq!(reported, Step::Report(205 * MS, Some("stack")));
}

#[test]
fn the_next_block_opens_a_new_case() {
    let (mut case, _) = late();
    assert_eq!(case.look(300 * MS, moved(8)), Step::Wait);
    assert_eq!(case.look(450 * MS, moved(8)), Step::Ask);
    case.answer("new");
    let reported = case.look(501 * MS, moved(8));
    assert_eq!(reported, Step::Report(201 * MS, Some("new")));
}

#[test]
fn an_answer_without_a_question_is_dropped() {
    let mut case = Case::new(200 * MS, Sampler::Ready, Patience::DuringBlock);
    case.answer("stack");
    assert_eq!(case.look(Duration::ZERO, STUCK), Step::Wait);
    assert_eq!(case.look(150 * MS, STUCK), Step::Ask);
    assert!(case.is_asked());
}

#[test]
fn a_short_threshold_is_asked_at_its_half() {
    let mut case: Case<()> = Case::new(20 * MS, Sampler::Ready, Patience::DuringBlock);
    assert_eq!(case.look(Duration::ZERO, STUCK), Step::Wait);
    assert_eq!(case.look(9 * MS, STUCK), Step::Wait);
    assert_eq!(case.look(10 * MS, STUCK), Step::Ask);
}
