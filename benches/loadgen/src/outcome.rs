//! The result of a run: the sum of the threads, as a line of JSON.

use std::time::Duration;

use hdrhistogram::Histogram;

/// The answers between the end of the warm-up and the end of the run.
pub struct Outcome {
    pub messages: u64,
    /// Messages that were due, in the open loop.
    pub offered: u64,
    pub elapsed: Duration,
    pub lost: u64,
    pub latency: Histogram<u64>,
    /// Share of the time in which the generator had work. Near 1, the generator is the bottleneck.
    pub busy: f64,
}

/// The printed quantiles of the latency, in microseconds.
const QUANTILES: [(&str, f64); 9] = [
    ("p10", 0.1),
    ("p50", 0.5),
    ("p75", 0.75),
    ("p90", 0.9),
    ("p95", 0.95),
    ("p99", 0.99),
    ("p999", 0.999),
    ("p9999", 0.9999),
    ("max", 1.0),
];

pub fn new_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3)
        .expect("a minute in nanoseconds, to three digits")
}

impl Outcome {
    /// Merges the results of two threads that ran at the same time. `busy` is that of the busier one.
    pub fn and(mut self, other: &Self) -> Self {
        self.messages += other.messages;
        self.offered += other.offered;
        self.elapsed = self.elapsed.max(other.elapsed);
        self.lost += other.lost;
        self.latency += &other.latency;
        self.busy = self.busy.max(other.busy);
        self
    }

    pub fn to_json(&self, swallowed: u64) -> String {
        let quantiles: Vec<String> = QUANTILES
            .iter()
            .map(|(name, quantile)| format!(r#""{name}":{:.3}"#, self.micros(*quantile)))
            .collect();
        format!(
            r#"{{"messages":{},"offered":{},"seconds":{:.6},"lost":{},{},"busy":{:.3},"swallowed":{swallowed}}}"#,
            self.messages,
            self.offered,
            self.elapsed.as_secs_f64(),
            self.lost,
            quantiles.join(","),
            self.busy,
        )
    }

    fn micros(&self, quantile: f64) -> f64 {
        Duration::from_nanos(self.latency.value_at_quantile(quantile)).as_secs_f64() * 1e6
    }
}
