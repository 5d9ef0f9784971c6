/**
 * Requests of JavaScript to the core: one crossing carries many.
 *
 * The layout is that of `crates/ioloop-napi/src/turn/submit.rs`: an operation on an id, and its
 * operand.
 *
 * Two facts are kept apart. The core {@link Submissions.taken | has taken} the words with every
 * crossing. The {@link Submissions.alarmSet | alarm is set} only by some: until then a deadline may
 * have been submitted for which nothing wakes the loop.
 */
import { native } from './native.js';

const { SUBMISSION_WORDS, SUBMIT_OPERATIONS, SUBMIT_ARM, SUBMIT_CANCEL, SUBMIT_DRAINED } = native;

/** An array of submissions and how far it is filled. */
export class Submissions {
  readonly words: Float64Array;
  readonly #flush: () => void;
  #length = 0;
  /** The timer that the last submission has armed, and which was not armed before; or {@link NONE}. */
  #fresh = NONE;
  #needsAlarm = false;

  /** Holds `capacity` submissions; `flush` hands them to the core and calls {@link taken}. */
  constructor(capacity: number, flush: () => void) {
    this.words = new Float64Array(SUBMISSION_WORDS * capacity);
    this.#flush = flush;
  }

  /** Words in use. */
  get length(): number {
    return this.#length;
  }

  /** Whether there may be a deadline that no alarm is set for. */
  get needsAlarm(): boolean {
    return this.#needsAlarm;
  }

  /** Arms timer `id`, which is not armed, at `deadline`, in seconds of the loop's clock. */
  arm(id: number, deadline: number): void {
    this.move(id, deadline);
    this.#fresh = id;
  }

  /** Arms timer `id`, which may be armed already. */
  move(id: number, deadline: number): void {
    this.#push(id * SUBMIT_OPERATIONS + SUBMIT_ARM, deadline);
    this.#needsAlarm = true;
  }

  /** Cancels timer `id`, which may be used again at once. */
  cancel(id: number): void {
    if (this.#fresh === id) {
      // The submission is taken back.
      this.#length -= SUBMISSION_WORDS;
      this.#fresh = NONE;
    } else {
      this.#push(id * SUBMIT_OPERATIONS + SUBMIT_CANCEL, 0);
    }
  }

  /** The source at `index` is drained of these READ and WRITE bits. */
  drained(index: number, bits: number): void {
    this.#push(index * SUBMIT_OPERATIONS + SUBMIT_DRAINED, bits);
  }

  /** The core has taken the words. */
  taken(): void {
    this.#length = 0;
    this.#fresh = NONE;
  }

  /** A crossing has set the alarm to the next deadline, if there is one. */
  alarmSet(): void {
    this.#needsAlarm = false;
  }

  /** A crossing could not set the alarm. */
  alarmFailed(): void {
    this.#needsAlarm = true;
  }

  #push(word: number, operand: number): void {
    if (this.#length === this.words.length) this.#flush();
    const { words } = this;
    const length = this.#length;
    words[length] = word;
    words[length + 1] = operand;
    this.#length = length + SUBMISSION_WORDS;
    this.#fresh = NONE;
  }
}

/** In place of an id. */
const NONE = -1;
