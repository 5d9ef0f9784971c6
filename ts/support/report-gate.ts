/** How often a failure is reported that repeats. */
import { monotonic } from './host.js';

/**
 * Opens for the first report, then 1 s, 2 s, 4 s and so on up to a minute after the last, for as
 * long as the failure goes on. After a quiet time as long as the last interval it begins anew.
 */
export class ReportGate {
  /** Milliseconds. */
  #interval = FIRST;
  #next = Number.NEGATIVE_INFINITY;

  /** Whether the failure that happens now is to be reported. */
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
