/** Back-off for reports of a failure that repeats. */
import { monotonic } from './host.js';

/**
 * Opens for the first failure, and again 1 s, 2 s, 4 s … after the last report, up to a minute, while
 * failures continue. Begins again with the first after a quiet time: as long as the last interval,
 * counted from its end.
 */
export class ReportGate {
  /** Milliseconds. */
  #interval = FIRST;
  #next = Number.NEGATIVE_INFINITY;

  /** Whether to report the failure that has happened now. */
  opens(): boolean {
    const now = monotonic();
    if (now < this.#next) return false;
    const isNew = now > this.#next + this.#interval;
    this.#interval = isNew ? FIRST : Math.min(2 * this.#interval, LONGEST);
    this.#next = now + this.#interval;
    return true;
  }
}

const FIRST = 1_000;
const LONGEST = 60_000;
