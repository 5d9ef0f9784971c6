/** The times of a loop, measured on request: a record per turn in histograms of Node. */
import perfHooks, { type RecordableHistogram } from 'node:perf_hooks';
import { monotonic } from '../support/host.js';

/** A distribution of times. All but `count` are in seconds; 0 while `count` is 0. */
export interface HistogramSummary {
  /** The number of recorded times. */
  readonly count: number;
  /** The sum of the recorded times. */
  readonly sum: number;
  /** The shortest time. */
  readonly min: number;
  /** The longest time. */
  readonly max: number;
  /** The arithmetic mean. */
  readonly mean: number;
  /** The standard deviation. */
  readonly stddev: number;
  /** The median. */
  readonly p50: number;
  /** The 90th percentile. */
  readonly p90: number;
  /** The 99th percentile. */
  readonly p99: number;
  /** The 99.9th percentile. */
  readonly p999: number;
}

/** The times of the turns of one loop since this object was made. */
export class Timings {
  /** Nanoseconds. */
  readonly #turnLength = perfHooks.createHistogram();
  /** Microseconds. */
  readonly #timerLateness = perfHooks.createHistogram();
  readonly #since = monotonic();
  /** Milliseconds. */
  #busy = 0;

  /** Seconds in which turns ran. */
  get busySeconds(): number {
    return this.#busy / 1e3;
  }

  /** Seconds since this object was made. */
  get elapsedSeconds(): number {
    return (monotonic() - this.#since) / 1e3;
  }

  get turnLength(): HistogramSummary {
    return summary(this.#turnLength, 1e-9);
  }

  get timerLateness(): HistogramSummary {
    return summary(this.#timerLateness, 1e-6);
  }

  /**
   * A turn has ended that began at `start`, by the host's clock in milliseconds. Its first timer was
   * late by `lateness` microseconds; -1 if no timer was due.
   */
  record(start: number, lateness: number): void {
    const length = monotonic() - start;
    this.#busy += length;
    // A histogram begins at 1.
    this.#turnLength.record(Math.max(Math.round(1e6 * length), 1));
    if (lateness >= 0) this.#timerLateness.record(Math.max(lateness, 1));
  }
}

function summary(histogram: RecordableHistogram, unit: number): HistogramSummary {
  const { count } = histogram;
  const seconds = (value: number): number => (count === 0 ? 0 : value * unit);
  const mean = seconds(histogram.mean);
  const percentile = (percent: number): number => seconds(histogram.percentile(percent));
  return Object.freeze({
    count,
    sum: mean * count,
    min: seconds(histogram.min),
    max: seconds(histogram.max),
    mean,
    stddev: seconds(histogram.stddev),
    p50: percentile(50),
    p90: percentile(90),
    p99: percentile(99),
    p999: percentile(99.9),
  });
}
