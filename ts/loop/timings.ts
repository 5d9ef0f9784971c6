/** The times of a loop, measured on request: a record per turn. */
import { DurationHistogram, type HistogramSummary } from '../support/histogram.js';
import { monotonic } from '../support/host.js';

/** The times of the turns of one loop since this object was made. */
export class Timings {
  readonly #turnLength = new DurationHistogram();
  readonly #timerLateness = new DurationHistogram();
  readonly #since = monotonic();

  /** Seconds in which turns ran. */
  get busySeconds(): number {
    return this.#turnLength.sum / 1e9;
  }

  /** Seconds since this object was made. */
  get elapsedSeconds(): number {
    return (monotonic() - this.#since) / 1e3;
  }

  get turnLength(): HistogramSummary {
    return this.#turnLength.summary();
  }

  get timerLateness(): HistogramSummary {
    return this.#timerLateness.summary();
  }

  /**
   * A turn ran from `start` to `end`, by the host's clock in milliseconds. Its first timer was late by
   * `lateness` microseconds; -1 if no timer was due.
   */
  record(start: number, end: number, lateness: number): void {
    this.#turnLength.record(1e6 * (end - start));
    if (lateness >= 0) this.#timerLateness.record(1e3 * lateness);
  }
}
