//! Callbacks of tokio, one thread: a task for each.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use tokio::sync::Notify;
use tokio::task::{LocalSet, spawn_local};

const BATCH: usize = 200_000;
const CHAIN: usize = 100_000;
const ROUNDS: usize = 9;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    LocalSet::new().block_on(&runtime, async {
        let batch = median(async || batch().await).await;
        let chain = median(async || chain().await).await;
        println!(r#"{{"batch":{batch},"chain":{chain}}}"#);
    });
}

async fn median(round: impl AsyncFn() -> f64) -> f64 {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push(round().await);
    }
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

async fn batch() -> f64 {
    let start = Instant::now();
    let left = Rc::new(Cell::new(BATCH));
    let done = Rc::new(Notify::new());
    for _ in 0..BATCH {
        let (left, done) = (Rc::clone(&left), Rc::clone(&done));
        spawn_local(async move {
            left.set(left.get() - 1);
            if left.get() == 0 {
                done.notify_one();
            }
        });
    }
    done.notified().await;
    nanos(start, BATCH)
}

async fn chain() -> f64 {
    let start = Instant::now();
    let done = Rc::new(Notify::new());
    link(CHAIN, Rc::clone(&done));
    done.notified().await;
    nanos(start, CHAIN)
}

fn link(left: usize, done: Rc<Notify>) {
    spawn_local(async move {
        if left == 1 {
            done.notify_one();
        } else {
            link(left - 1, done);
        }
    });
}

fn nanos(start: Instant, count: usize) -> f64 {
    start.elapsed().as_nanos() as f64 / count as f64
}
