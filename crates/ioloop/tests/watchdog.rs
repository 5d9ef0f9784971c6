//! When a watch calls a loop blocked: by the pulse and the time that it is given.

use std::time::Duration;

use ioloop::watchdog::{
    ANSWER_LIMIT, AttentiveClock, Case, CodeMap, Function, LEAD, LONGEST_STEP, Patience, Pulse,
    Sampler, Step, Usage, Verdict, Watch,
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
    assert_eq!(clock.advance(1_000 * MS, None, no_others), Duration::ZERO);
    assert_eq!(
        watch.look(clock.advance(1_001 * MS, None, no_others), STUCK),
        Verdict::Alive
    );
    // Stopped for an hour, and continued: the loop had no chance to make progress either.
    let after = clock.advance(3_600_000 * MS, None, no_others);
    assert_eq!(after, MS + LONGEST_STEP);
    assert_eq!(watch.look(after, STUCK), Verdict::Quiet(LONGEST_STEP));
}

#[test]
fn a_clock_that_goes_back_stands_still() {
    let mut clock = AttentiveClock::default();
    clock.advance(10 * MS, None, no_others);
    assert_eq!(clock.advance(15 * MS, None, no_others), 5 * MS);
    assert_eq!(clock.advance(2 * MS, None, no_others), 5 * MS);
    assert_eq!(clock.advance(4 * MS, None, no_others), 7 * MS);
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
    assert_eq!(case.look(late, STUCK), Step::Sample);
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
    assert_eq!(case.look(Duration::ZERO, STUCK), Step::Wait);
    assert_eq!(case.look(199 * MS, STUCK), Step::Wait);
    assert_eq!(case.look(200 * MS, STUCK), Step::Sample);
    assert_eq!(case.sampled(None), Step::Report(200 * MS, None));
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
    assert_eq!(case.look(200 * MS + ANSWER_LIMIT, STUCK), Step::Sample);
    assert_eq!(case.sampled(None), Step::Wait);
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

#[test]
fn without_an_answer_the_report_has_the_sample() {
    for patience in [Patience::DuringBlock, Patience::AfterBlock] {
        let mut case = asked(patience);
        let late = 200 * MS + ANSWER_LIMIT;
        assert_eq!(case.look(late, STUCK), Step::Sample);
        let reported = case.sampled(Some("sample"));
        assert_eq!(reported, Step::Report(late, Some("sample")));
        // The answer comes when the native function has returned: the report has a stack already.
        case.answer("stack");
        assert_eq!(case.look(900 * MS, STUCK), Step::Wait);
    }
}

#[test]
fn nothing_is_sampled_after_the_block() {
    let mut case = asked(Patience::DuringBlock);
    assert_eq!(case.look(205 * MS, STUCK), Step::Wait);
    assert_eq!(case.look(206 * MS, moved(8)), Step::Wait);
    let reported = case.look(230 * MS, moved(9));
    assert_eq!(reported, Step::Report(205 * MS, None));
    assert_eq!(case.sampled(Some("sample")), Step::Wait);
}

/// No other thread waits for a CPU.
fn no_others(_: Duration) -> Duration {
    Duration::ZERO
}

#[test]
fn a_thread_that_sleeps_while_another_one_waits_for_a_cpu_may_wait_for_it() {
    let mut clock = AttentiveClock::default();
    let asleep = Some(usage(5, 0, 1, false));
    clock.advance(Duration::ZERO, asleep, no_others);
    assert_eq!(
        clock.advance(10 * MS, asleep, |passed| passed),
        Duration::ZERO
    );
    assert_eq!(clock.advance(20 * MS, asleep, |_| 4 * MS), 6 * MS);
    let awake = Some(usage(5, 0, 1, true));
    clock.advance(30 * MS, awake, no_others);
    let ran = Some(usage(15, 0, 1, true));
    let never = |_| unreachable!("it has not slept");
    assert_eq!(clock.advance(40 * MS, ran, never), 26 * MS);
}

/// A thread that has run and waited for so many milliseconds, and has gone to sleep so often.
fn usage(cpu: u32, waits: u32, sleeps: u64, is_runnable: bool) -> Usage {
    Usage {
        cpu: cpu * MS,
        waits: waits * MS,
        sleeps,
        is_runnable,
    }
}

/// The time of a clock after each look: at these milliseconds, with this usage.
fn times(looks: &[(u32, Usage)]) -> Vec<u128> {
    let mut clock = AttentiveClock::default();
    let times = looks.iter();
    times
        .map(|&(at, usage)| clock.advance(at * MS, Some(usage), no_others).as_millis())
        .collect()
}

#[test]
fn a_thread_that_never_sleeps_has_the_time_of_its_cpu() {
    let looks = [
        (0, usage(50, 5, 3, true)),
        (10, usage(60, 5, 3, true)),
        // It waits for a CPU, which the system counts when the wait ends.
        (20, usage(62, 5, 3, true)),
        (500, usage(62, 5, 3, true)),
        (510, usage(64, 501, 3, true)),
    ];
    assert_eq!(times(&looks), [0, 10, 12, 12, 14]);
}

#[test]
fn a_late_look_counts_the_time_in_which_the_thread_has_run() {
    let looks = [(0, usage(0, 0, 1, true)), (300, usage(250, 50, 1, true))];
    assert_eq!(times(&looks), [0, 250]);
    let asleep = [(0, usage(0, 0, 1, false)), (300, usage(0, 0, 1, false))];
    assert_eq!(times(&asleep), [0, LONGEST_STEP.as_millis()]);
}

#[test]
fn the_waits_of_a_thread_that_sleeps_are_left_out_when_they_have_ended() {
    let looks = [
        (0, usage(0, 7, 1, false)),
        (10, usage(4, 9, 2, false)),
        // It has woken, and waits.
        (20, usage(4, 9, 2, true)),
        (30, usage(4, 9, 2, true)),
        (40, usage(4, 9, 2, true)),
        // It has waited for 30 ms, of which 20 were left out.
        (50, usage(6, 39, 3, false)),
        (60, usage(6, 39, 3, false)),
    ];
    assert_eq!(times(&looks), [0, 8, 18, 18, 18, 18, 28]);
}

#[test]
fn no_wait_is_left_out_twice() {
    let looks = [
        (0, usage(0, 0, 0, true)),
        (10, usage(0, 0, 0, true)),
        (20, usage(4, 16, 1, false)),
        (30, usage(4, 16, 1, false)),
        // Both threads have waited: the look is late.
        (530, usage(5, 400, 2, false)),
        (540, usage(5, 400, 2, false)),
    ];
    assert_eq!(times(&looks), [0, 0, 4, 14, 34, 44]);
}

#[test]
fn time_that_the_machine_has_lost_hides_no_later_wait() {
    // The machine under this one has taken its CPU: the thread has neither run nor waited.
    let looks = [
        (0, usage(0, 0, 0, true)),
        (100, usage(10, 0, 0, true)),
        (110, usage(10, 0, 1, false)),
        (120, usage(10, 10, 2, false)),
    ];
    assert_eq!(times(&looks), [0, 10, 20, 20]);
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
