//! When a watch calls a loop blocked: by the pulse and the time that it is given.

use std::time::Duration;

use ioloop::watchdog::{
    ANSWER_LIMIT, Case, CodeMap, Function, Moment, Patience, Pulse, Sampler, Step, Verdict, Watch,
};

const MS: Duration = Duration::from_millis(1);
const STUCK: Pulse = Pulse {
    iterations: 7,
    idle: 1_000,
};

/// A moment that is known.
const fn at(time: Duration) -> Moment {
    Moment {
        least: time,
        most: time,
    }
}

/// Looks each millisecond from `from` to `to`, always at the same pulse.
fn looks(watch: &mut Watch, from: u32, to: u32) -> Vec<(u32, Duration)> {
    (from..=to)
        .filter_map(|time| match watch.look(at(time * MS), Some(STUCK)) {
            Verdict::Blocked(quiet) => Some((time, quiet)),
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
    assert_eq!(watch.look(at(301 * MS), Some(moved)), Verdict::Alive);
    assert_eq!(looks(&mut watch, 302, 600), [(402, 100 * MS)]);
}

#[test]
fn iterations_without_idle_time_are_progress() {
    let mut watch = Watch::new(10 * MS);
    for time in 0..1_000 {
        let pulse = Pulse {
            iterations: u32::MAX.wrapping_add(time),
            idle: 5,
        };
        assert_eq!(watch.look(at(time * MS), Some(pulse)), Verdict::Alive);
    }
}

#[test]
fn a_wait_without_iterations_is_progress() {
    let mut watch = Watch::new(10 * MS);
    for time in 0..1_000 {
        let pulse = Pulse {
            iterations: 3,
            idle: u64::from(time),
        };
        assert_eq!(watch.look(at(time * MS), Some(pulse)), Verdict::Alive);
    }
}

#[test]
fn a_pulse_that_changes_during_the_look_is_progress() {
    let mut watch = Watch::new(100 * MS);
    watch.look(at(Duration::ZERO), Some(STUCK));
    assert_eq!(watch.look(at(500 * MS), None), Verdict::Alive);
    assert_eq!(watch.look(at(600 * MS), Some(STUCK)), Verdict::Alive);
    assert_eq!(
        watch.look(at(699 * MS), Some(STUCK)),
        Verdict::Quiet(99 * MS)
    );
}

#[test]
fn the_time_without_progress_is_the_least_of_what_it_may_be() {
    let mut watch = Watch::new(100 * MS);
    let moment = |least, most| Moment {
        least: least * MS,
        most: most * MS,
    };
    assert_eq!(watch.look(moment(10, 25), Some(STUCK)), Verdict::Alive);
    assert_eq!(
        watch.look(moment(110, 180), Some(STUCK)),
        Verdict::Quiet(85 * MS)
    );
    assert_eq!(
        watch.look(moment(125, 190), Some(STUCK)),
        Verdict::Blocked(100 * MS)
    );
}

#[test]
fn the_first_look_begins_the_threshold() {
    let mut watch = Watch::new(100 * MS);
    assert_eq!(watch.look(at(10_000 * MS), Some(STUCK)), Verdict::Alive);
    assert_eq!(
        watch.look(at(10_099 * MS), Some(STUCK)),
        Verdict::Quiet(99 * MS)
    );
    assert_eq!(
        watch.look(at(10_100 * MS), Some(STUCK)),
        Verdict::Blocked(100 * MS)
    );
}

#[test]
fn looks_are_never_rarer_than_promised() {
    for (threshold, interval) in [(1, 1), (20, 5), (100, 10), (60_000, 10)] {
        assert_eq!(Watch::new(threshold * MS).interval(), interval * MS);
    }
    let mut watch = Watch::new(100 * MS);
    watch.look(at(Duration::ZERO), Some(STUCK));
    watch.look(at(94 * MS), Some(STUCK));
    assert_eq!(
        watch.interval(),
        6 * MS,
        "the next look is at the threshold"
    );
    watch.look(at(100 * MS), Some(STUCK));
    assert_eq!(watch.interval(), 10 * MS);
}

/// A case with a threshold of 200 ms that was asked at the threshold, blocked since 0.
fn asked(patience: Patience) -> Case<&'static str> {
    let mut case = Case::new(200 * MS, Sampler::Ready, patience);
    assert_eq!(case.look(at(Duration::ZERO), Some(STUCK)), Step::Wait);
    assert_eq!(case.look(at(199 * MS), Some(STUCK)), Step::Wait);
    assert_eq!(case.look(at(200 * MS), Some(STUCK)), Step::Ask);
    case
}

/// A case whose report was made without an answer, at this time.
fn late() -> (Case<&'static str>, Duration) {
    let mut case = asked(Patience::DuringBlock);
    let late = 200 * MS + ANSWER_LIMIT;
    assert_eq!(
        case.look(at(late.saturating_sub(MS)), Some(STUCK)),
        Step::Wait
    );
    assert_eq!(case.look(at(late), Some(STUCK)), Step::Sample);
    assert_eq!(case.sampled(None), Step::Report(late, None));
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
    assert_eq!(case.look(at(Duration::ZERO), Some(STUCK)), Step::Wait);
    assert_eq!(case.look(at(199 * MS), Some(STUCK)), Step::Wait);
    assert_eq!(case.look(at(200 * MS), Some(STUCK)), Step::Sample);
    assert_eq!(case.sampled(None), Step::Report(200 * MS, None));
    assert_eq!(case.look(at(210 * MS), Some(STUCK)), Step::Wait);
}

#[test]
fn a_report_has_the_answer_of_the_sampler() {
    let mut case = asked(Patience::DuringBlock);
    assert!(case.is_asked());
    assert_eq!(case.look(at(201 * MS), Some(STUCK)), Step::Wait);
    case.answer("stack");
    assert!(!case.is_asked());
    let reported = case.look(at(205 * MS), Some(STUCK));
    assert_eq!(reported, Step::Report(205 * MS, Some("stack")));
    assert_eq!(case.look(at(900 * MS), Some(STUCK)), Step::Wait);
}

#[test]
fn nothing_is_asked_of_a_turn_that_ends_before_the_threshold() {
    let mut case: Case<()> = Case::new(200 * MS, Sampler::Ready, Patience::DuringBlock);
    assert_eq!(case.look(at(Duration::ZERO), Some(STUCK)), Step::Wait);
    assert_eq!(case.look(at(199 * MS), Some(STUCK)), Step::Wait);
    assert_eq!(case.look(at(200 * MS), Some(moved(8))), Step::Wait);
    assert_eq!(case.look(at(399 * MS), Some(moved(8))), Step::Wait);
    assert_eq!(case.look(at(400 * MS), None), Step::Wait);
}

#[test]
fn a_late_answer_supplements_the_report() {
    let (mut case, _) = late();
    assert_eq!(case.look(at(800 * MS), Some(STUCK)), Step::Wait);
    case.answer("stack");
    let supplement = case.look(at(900 * MS), Some(STUCK));
    assert_eq!(supplement, Step::Supplement(900 * MS, "stack"));
    assert_eq!(case.look(at(950 * MS), Some(STUCK)), Step::Wait);
}

#[test]
fn a_patient_report_waits_for_the_end_of_the_block() {
    let mut case = asked(Patience::AfterBlock);
    assert_eq!(
        case.look(at(200 * MS + ANSWER_LIMIT), Some(STUCK)),
        Step::Sample
    );
    assert_eq!(case.sampled(None), Step::Wait);
    assert_eq!(case.look(at(5_000 * MS), Some(STUCK)), Step::Wait);
    assert_eq!(case.look(at(5_010 * MS), Some(moved(8))), Step::Wait);
    let end = 5_000 * MS + ANSWER_LIMIT;
    assert_eq!(
        case.look(at(end), Some(moved(9))),
        Step::Report(5_000 * MS, None)
    );
}

#[test]
fn an_answer_after_the_end_of_the_block_is_still_reported() {
    let mut case = asked(Patience::DuringBlock);
    assert_eq!(case.look(at(205 * MS), Some(STUCK)), Step::Wait);
    assert_eq!(case.look(at(206 * MS), Some(moved(8))), Step::Wait);
    case.answer("stack");
    let reported = case.look(at(207 * MS), Some(moved(9)));
    assert_eq!(reported, Step::Report(205 * MS, Some("stack")));
}

#[test]
fn the_next_block_opens_a_new_case() {
    let (mut case, _) = late();
    assert_eq!(case.look(at(300 * MS), Some(moved(8))), Step::Wait);
    assert_eq!(case.look(at(500 * MS), Some(moved(8))), Step::Ask);
    case.answer("new");
    let reported = case.look(at(501 * MS), Some(moved(8)));
    assert_eq!(reported, Step::Report(201 * MS, Some("new")));
}

#[test]
fn an_answer_without_a_question_is_dropped() {
    let mut case = Case::new(200 * MS, Sampler::Ready, Patience::DuringBlock);
    case.answer("stack");
    assert_eq!(case.look(at(Duration::ZERO), Some(STUCK)), Step::Wait);
    assert_eq!(case.look(at(200 * MS), Some(STUCK)), Step::Ask);
    assert!(case.is_asked());
}

#[test]
fn without_an_answer_the_report_has_the_sample() {
    for patience in [Patience::DuringBlock, Patience::AfterBlock] {
        let mut case = asked(patience);
        let late = 200 * MS + ANSWER_LIMIT;
        assert_eq!(case.look(at(late), Some(STUCK)), Step::Sample);
        let reported = case.sampled(Some("sample"));
        assert_eq!(reported, Step::Report(late, Some("sample")));
        // The answer comes when the native function has returned: the report has a stack already.
        case.answer("stack");
        assert_eq!(case.look(at(900 * MS), Some(STUCK)), Step::Wait);
    }
}

#[test]
fn nothing_is_sampled_after_the_block() {
    let mut case = asked(Patience::DuringBlock);
    assert_eq!(case.look(at(205 * MS), Some(STUCK)), Step::Wait);
    assert_eq!(case.look(at(206 * MS), Some(moved(8))), Step::Wait);
    let reported = case.look(at(230 * MS), Some(moved(9)));
    assert_eq!(reported, Step::Report(205 * MS, None));
    assert_eq!(case.sampled(Some("sample")), Step::Wait);
}

#[test]
fn code_is_found_by_any_address_in_it() {
    let mut map = CodeMap::default();
    map.add(100, 20, "JS:~culprit file:///a b/c.mjs:5:17");
    map.add(200, 8, "LazyCompile:*get name /srv/app.js:1:2");
    map.add(300, 8, "Script:~ file:///main.mjs:1:1");
    map.add(400, 8, "Builtin:ArrayMap");
    let culprit = Function {
        name: "culprit",
        place: "file:///a b/c.mjs:5:17",
    };
    assert_eq!(map.find(99), None);
    assert_eq!(map.find(100), Some(culprit));
    assert_eq!(map.find(120), Some(culprit), "a return address");
    assert_eq!(map.find(121), None);
    assert_eq!(
        map.find(205).map(|function| function.name),
        Some("get name")
    );
    assert_eq!(map.find(300).map(|function| function.name), Some(""));
    assert_eq!(map.find(404), None);
    assert_eq!(map.len(), 3);
    let names = ["o*outer", "o+outer", "*'outer", "open", "o"];
    for (at, name) in names.into_iter().enumerate() {
        map.add(500 + 10 * at, 8, &format!("JS:{name} a.js:1:1"));
    }
    let found = (0..names.len()).map(|at| map.find(500 + 10 * at).map(|function| function.name));
    let found: Vec<_> = found.flatten().collect();
    assert_eq!(found, ["outer", "outer", "outer", "open", "o"]);
}

#[test]
fn code_that_moves_is_found_at_its_new_address() {
    let mut map = CodeMap::default();
    map.add(100, 20, "JS:~first a.js:1:1");
    map.add(200, 20, "JS:~second a.js:2:1");
    map.relocate(100, 190);
    assert_eq!(map.moves(), 1);
    assert_eq!(map.find(100), None);
    assert_eq!(map.find(195).map(|function| function.name), Some("first"));
    assert_eq!(map.find(215), None, "its memory is in use for the first");
    map.relocate(500, 600);
    assert_eq!(map.len(), 1);
}

#[test]
fn code_in_the_memory_of_other_code_replaces_it() {
    let mut map = CodeMap::default();
    for start in [100, 120, 140, 160] {
        map.add(start, 20, "JS:~old a.js:1:1");
    }
    map.add(130, 20, "Builtin:any");
    assert_eq!(map.len(), 2);
    assert!(map.find(110).is_some() && map.find(165).is_some());
}
