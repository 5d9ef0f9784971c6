//! The cost of arming, cancelling and firing a timer. Divide by the element count for ns per timer.
//!
//! `cargo bench -p core-benches --bench wheel`. Each benchmark checks its own result count.
//!
//! Memory (asserted in `crates/ioloop/tests/wheel_memory.rs`): a pending timer costs 16 bytes of table and 8 to 16
//! of slot, at 10^6 pending under 34 together.

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ioloop::timer::{TimerId, Wheel};

const SECOND: u64 = 1_000_000_000;
const START: u64 = 365 * 86_400 * SECOND;
const MILLION: u32 = 1_000_000;

/// Repeatable pseudo-random numbers (`SplitMix64`).
fn spread(seed: u64) -> u64 {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn deadlines(count: u32, span: u64) -> Vec<u64> {
    (0..count)
        .map(|id| START + 1 + spread(id.into()) % span)
        .collect()
}

fn started() -> Wheel {
    let mut wheel = Wheel::new();
    wheel.expire(START, 0, &mut Vec::new());
    wheel
}

fn arm_all(wheel: &mut Wheel, deadlines: &[u64]) {
    for (id, deadline) in (0..).zip(deadlines) {
        wheel.arm(TimerId(id), *deadline);
    }
}

fn armed(deadlines: &[u64]) -> Wheel {
    let mut wheel = started();
    arm_all(&mut wheel, deadlines);
    wheel
}

/// Turns of a millisecond until `end`. The number of timers that fired.
fn fire_all(wheel: &mut Wheel, end: u64, due: &mut Vec<TimerId>) -> usize {
    let mut fired = 0;
    let mut now = START;
    while now < end {
        now += SECOND / 1_000;
        due.clear();
        wheel.expire(now, usize::MAX, due);
        fired += due.len();
    }
    fired
}

fn insert_cancel(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("insert+cancel at once");
    for resident in [100, 10_000, MILLION] {
        let mut wheel = armed(&deadlines(resident, 60 * SECOND));
        let fresh = deadlines(1_024, 60 * SECOND);
        group.throughput(Throughput::Elements(1_024));
        group.bench_function(BenchmarkId::new("resident", resident), |bencher| {
            bencher.iter(|| {
                for deadline in &fresh {
                    wheel.arm(TimerId(resident), *deadline);
                    black_box(wheel.cancel(TimerId(resident)));
                }
            });
        });
        assert_eq!(wheel.len(), resident as usize);
    }
    group.finish();
}

fn reset(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("reset an idle timeout of 60 s");
    let mut wheel = armed(&vec![START + 60 * SECOND; 10_000]);
    let mut now = START;
    let mut due = Vec::new();
    group.throughput(Throughput::Elements(1_000));
    group.bench_function("10000 timers, 200k resets a second", |bencher| {
        bencher.iter(|| {
            for _ in 0..1_000 {
                now += 5_000;
                let id = u32::try_from(spread(now) % 10_000).expect("a small number");
                wheel.arm(TimerId(id), now + 60 * SECOND);
            }
            wheel.expire(now, usize::MAX, &mut due);
        });
    });
    assert_eq!((wheel.len(), due.len()), (10_000, 0));
    group.finish();
}

fn cancel(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("insert 10^6 then cancel");
    group
        .sample_size(10)
        .throughput(Throughput::Elements(MILLION.into()));
    let deadlines = deadlines(MILLION, 60 * SECOND);
    let in_order: Vec<u32> = (0..MILLION).collect();
    let mut random = in_order.clone();
    random.sort_by_key(|id| spread(u64::from(*id) + 99));
    for (name, ids) in [("in order", in_order), ("random order", random)] {
        group.bench_function(name, |bencher| {
            let run = |wheel: &mut Wheel| {
                arm_all(wheel, &deadlines);
                let cancelled = ids.iter().filter(|id| wheel.cancel(TimerId(**id))).count();
                assert_eq!(cancelled, ids.len());
            };
            bencher.iter_batched_ref(started, run, BatchSize::PerIteration);
        });
    }
    group.finish();
}

fn fire(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("10^6 timers");
    group
        .sample_size(10)
        .throughput(Throughput::Elements(MILLION.into()));
    for (name, span) in [
        ("50 ms", SECOND / 20),
        ("60 s", 60 * SECOND),
        ("1 h", 3_600 * SECOND),
    ] {
        let deadlines = deadlines(MILLION, span);
        let mut due = Vec::new();
        group.bench_function(BenchmarkId::new("insert over", name), |bencher| {
            let run = |wheel: &mut Wheel| arm_all(wheel, &deadlines);
            bencher.iter_batched_ref(started, run, BatchSize::PerIteration);
        });
        group.bench_function(BenchmarkId::new("insert and fire over", name), |bencher| {
            let run = |wheel: &mut Wheel| {
                arm_all(wheel, &deadlines);
                assert_eq!(fire_all(wheel, START + span, &mut due), deadlines.len());
            };
            bencher.iter_batched_ref(started, run, BatchSize::PerIteration);
        });
    }
    group.finish();
}

fn one_slot(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("one slot");
    let ahead = deadlines(4_000, 1_000_000)
        .iter()
        .map(|tick| tick + SECOND)
        .collect::<Vec<_>>();
    let past = deadlines(100_000, SECOND)
        .iter()
        .map(|tick| tick - SECOND)
        .collect::<Vec<_>>();
    let mut due = Vec::new();
    for (name, deadlines) in [("4000 ahead, fire", ahead), ("100000 past, fire", past)] {
        group.throughput(Throughput::Elements(deadlines.len() as u64));
        group.bench_function(name, |bencher| {
            let run = |wheel: &mut Wheel| {
                due.clear();
                wheel.expire(START + 2 * SECOND, usize::MAX, &mut due);
                assert_eq!(due.len(), deadlines.len());
            };
            bencher.iter_batched_ref(|| armed(&deadlines), run, BatchSize::PerIteration);
        });
    }
    group.finish();
}

criterion_group!(benches, insert_cancel, reset, cancel, fire, one_slot);
criterion_main!(benches);
