/** The times of a loop, measured on request. */
import { DurationHistogram, type HistogramSummary } from '../support/histogram.js';
import { monotonic } from '../support/host.js';
import { TurnSample } from './turn-sample.js';

/** The times of the turns of one loop since this object was made. */
export class Timings {
  readonly #turnLength = new DurationHistogram();
  readonly #timerLateness = new DurationHistogram();
  readonly #since = monotonic();
  /** The turns whose length is measured. */
  readonly sample = new TurnSample();

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

  /** A turn of {@link sample} ran from `start` to `end`, in milliseconds of the host's clock. */
  recordTurn(start: number, end: number): void {
    const { sample } = this;
    const duration = 1e6 * (end - start);
    this.#turnLength.record(duration, sample.weight);
    sample.measured(duration);
  }

  /** The first timer of a turn was late by so many microseconds. */
  recordLateness(lateness: number): void {
    this.#timerLateness.record(1e3 * lateness, 1);
  }
}
