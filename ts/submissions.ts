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
  /** Whether a timer was armed: before the loop sleeps, the core has to know. */
  armed = false;

  readonly #flush: () => void;

  /** Holds `capacity` submissions; `flush` hands them to the core and calls {@link clear}. */
  constructor(capacity: number, flush: () => void) {
    this.words = new Float64Array(2 * capacity);
    this.#flush = flush;
  }

  /** Arm timer `id` at `deadline`, in seconds of the loop's clock. */
  arm(id: number, deadline: number): void {
    this.armed = true;
    this.#push(id * 4 + SUBMIT_ARM, deadline);
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
  clear(): void {
    this.length = 0;
    this.armed = false;
  }

  #push(word: number, operand: number): void {
    if (this.length === this.words.length) this.#flush();
    const { words, length } = this;
    words[length] = word;
    words[length + 1] = operand;
    this.length = length + 2;
  }
}
