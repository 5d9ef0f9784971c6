//! Timers of tokio, one thread: the same work as `benches/workloads/timers.mjs`.
//!
//! ```text
//! tokio-timers pending COUNT DEADLINES
//! tokio-timers fire COUNT
//! ```

use std::cell::RefCell;
use std::fs::read_to_string;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use tokio::task::LocalSet;
use tokio::time::{Sleep, sleep, sleep_until};

const PAIRS: usize = 200_000;
const ROUNDS: usize = 5;
const SPAN: Duration = Duration::from_millis(50);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let count: usize = arguments[1].parse().expect("a count");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    if arguments[0] == "fire" {
        LocalSet::new().block_on(&runtime, fire(count));
    } else {
        let _context = runtime.enter();
        pending(count);
    }
}

fn delay(index: usize) -> Duration {
    Duration::from_millis((index * 7919 % 1_000_000) as u64)
}

/// The first poll puts a sleep into the wheel.
fn schedule(delay: Duration) -> Pin<Box<Sleep>> {
    let mut timer = Box::pin(sleep(delay));
    arm(timer.as_mut());
    timer
}

fn arm(timer: Pin<&mut Sleep>) {
    let polled = timer.poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending());
}

fn pending(count: usize) {
    let mut resident = Vec::with_capacity(count);
    let before = resident_memory();
    let start = Instant::now();
    resident.extend((0..count).map(|index| schedule(Duration::from_secs(600) + delay(index))));
    let insert_all = nanos(start, count);
    let bytes = (resident_memory() - before) / count as f64 - 8.0;
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            for index in 0..PAIRS {
                arm(pin!(sleep(Duration::from_secs(1) + delay(index))));
            }
            nanos(start, PAIRS)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    let start = Instant::now();
    drop(resident);
    let all = insert_all + nanos(start, count);
    let at_once = rounds[ROUNDS / 2];
    println!(r#"{{"all":{all},"atOnce":{at_once},"bytes":{bytes}}}"#);
}

async fn fire(count: usize) {
    let cpu = counted(count).await;
    let late = timed(count).await;
    let (late50, late99) = (late[count / 2], late[count * 99 / 100]);
    println!(r#"{{"cpu":{cpu},"late50":{late50},"late99":{late99},"early":0}}"#);
}

/// CPU microseconds per timer, with empty tasks.
async fn counted(count: usize) -> f64 {
    let first = tokio::time::Instant::now() + Duration::from_secs(1);
    let tasks: Vec<_> = (0..count)
        .map(|index| tokio::task::spawn_local(sleep_until(first + within_span(index))))
        .collect();
    // Once polled, all are in the wheel.
    tokio::task::yield_now().await;
    sleep_until(first - Duration::from_millis(100)).await;
    let before = cpu_time();
    for task in tasks {
        task.await.expect("it does not panic");
    }
    (cpu_time() - before).as_secs_f64() * 1e6 / count as f64
}

/// The lateness of the timers in milliseconds, sorted.
async fn timed(count: usize) -> Vec<f64> {
    let late = Rc::new(RefCell::new(Vec::with_capacity(count)));
    let first = tokio::time::Instant::now() + Duration::from_secs(1);
    let tasks: Vec<_> = (0..count)
        .map(|index| {
            let deadline = first + within_span(index);
            let late = Rc::clone(&late);
            tokio::task::spawn_local(async move {
                sleep_until(deadline).await;
                late.borrow_mut()
                    .push(deadline.elapsed().as_secs_f64() * 1e3);
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("it does not panic");
    }
    let mut late = late.take();
    late.sort_by(f64::total_cmp);
    late
}

fn within_span(index: usize) -> Duration {
    SPAN.mul_f64(delay(index).as_secs_f64() / 1e3)
}

fn nanos(start: Instant, count: usize) -> f64 {
    start.elapsed().as_nanos() as f64 / count as f64
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn resident_memory() -> f64 {
    let statm = read_to_string("/proc/self/statm").expect("Linux");
    let pages = statm.split(' ').nth(1).expect("a second field");
    pages.parse::<f64>().expect("a number") * 4096.0
}
