//! The cost of the hot paths: `cargo bench -p ioloop --bench event_loop`.

mod operations;

use criterion::{Criterion, criterion_group, criterion_main};

fn hot_paths(criterion: &mut Criterion) {
    for name in operations::NAMES {
        let mut operation = operations::operation(name).expect("a known name");
        criterion.bench_function(name, |bencher| bencher.iter(&mut operation));
    }
}

criterion_group!(benches, hot_paths);
criterion_main!(benches);
