//! The cost of the hot paths: `cargo bench -p core-benches --bench event_loop`.

use criterion::{Criterion, criterion_group, criterion_main};

fn hot_paths(criterion: &mut Criterion) {
    for name in core_benches::NAMES {
        let mut operation = core_benches::operation(name).expect("a known name");
        criterion.bench_function(name, |bencher| bencher.iter(&mut operation));
    }
}

criterion_group!(benches, hot_paths);
criterion_main!(benches);
