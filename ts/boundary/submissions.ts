/**
 * What JavaScript asks of the core, collected: one crossing carries many.
 *
 * The layout is that of `crates/ioloop-napi/src/batch.rs`: pairs of a word (`id * 4 + operation`)
 * and an operand.
 */
import { native } from './native.js';

const { SUBMIT_ARM, SUBMIT_DISARM, SUBMIT_DRAINED } = native;

/** An array of submissions and how far it is filled. */
export class Submissions {
  readonly words: Float64Array;
  /** Words in use. */
  length = 0;
  /**
   * Whether there may be a deadline that no alarm is set for. Only a crossing that sets the alarm
   * may clear it, not one that only hands over the words.
   */
  armed = false;

  readonly #flush: () => void;

  /** Holds `capacity` submissions; `flush` hands them to the core and calls {@link taken}. */
  constructor(capacity: number, flush: () => void) {
    this.words = new Float64Array(2 * capacity);
    this.#flush = flush;
  }

  /** Arm timer `id` at `deadline`, in seconds of the loop's clock. */
  arm(id: number, deadline: number): void {
    this.#push(id * 4 + SUBMIT_ARM, deadline);
    this.armed = true;
  }

  /** Disarm timer `id`, which may be used again at once. */
  disarm(id: number): void {
    const { words, length } = this;
    // Armed a moment ago, by the word before: the core need not hear of either.
    if (length > 0 && words[length - 2] === id * 4 + SUBMIT_ARM) this.length = length - 2;
    else this.#push(id * 4 + SUBMIT_DISARM, 0);
  }

  /** The source at `index` has been drained of these READ and WRITE bits. */
  drained(index: number, bits: number): void {
    this.#push(index * 4 + SUBMIT_DRAINED, bits);
  }

  /** The core has them. */
  taken(): void {
    this.length = 0;
  }

  #push(word: number, operand: number): void {
    if (this.length === this.words.length) this.#flush();
    const { words, length } = this;
    words[length] = word;
    words[length + 1] = operand;
    this.length = length + 2;
  }
}
