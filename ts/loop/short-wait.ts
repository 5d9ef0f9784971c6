/**
 * When a thread waits for another one before it falls asleep. To fall asleep and be woken takes both
 * threads longer than most answers; a wait that is too long takes the core from others.
 *
 * | The last wait | The next one |
 * | --- | --- |
 * | was answered | is made |
 * | was not | is made after as many chances as were passed over before, doubled; at most {@link MOST_PASSED} |
 *
 * With one core nobody waits: the other thread needs it.
 */
import { availableParallelism } from 'node:os';

/** Microseconds of a wait, at most: about what two wake-ups cost. */
const LONGEST_WAIT = 20;
const MOST_PASSED = 1024;

const HAS_CORES = availableParallelism() > 1;

/** The waits of one loop, or of one caller. */
export class ShortWait {
  readonly #wait: (micros: number) => boolean;
  /** Chances to pass over. */
  #left = 0;
  /** Chances that are passed over after the next wait without an answer. */
  #penalty = 1;

  /** `wait` blocks for so many microseconds at most, and returns whether there is an answer. */
  constructor(wait: (micros: number) => boolean) {
    this.#wait = wait;
  }

  /** Whether {@link run} waits; false passes a chance over. */
  get isDue(): boolean {
    if (!HAS_CORES) return false;
    if (this.#left === 0) return true;
    this.#left -= 1;
    return false;
  }

  /** Waits. Whether there is an answer. */
  run(): boolean {
    const isAnswered = this.#wait(LONGEST_WAIT);
    if (isAnswered) {
      this.#penalty = 1;
    } else {
      this.#left = this.#penalty;
      this.#penalty = Math.min(2 * this.#penalty, MOST_PASSED);
    }
    return isAnswered;
  }
}
