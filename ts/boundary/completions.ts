/**
 * The completions of a turn, as `crates/ioloop-napi/src/turn/complete.rs` writes it: the numbers of
 * due timers and of ready sources, an errno, two measures; the ids of the due timers, as they
 * fire; for each ready source its index, its readiness, and the result of receiving.
 */
import { native } from './native.js';

const {
  COMPLETED_DUE,
  COMPLETED_ERRNO,
  COMPLETED_HEADER,
  COMPLETED_LATENESS,
  COMPLETED_READY,
  COMPLETED_RECEIVED,
  READY_WORDS,
} = native;

/** The completions of one turn at a time. */
export class Completions {
  /** Written by the core. */
  readonly words: Int32Array;

  /** Has room for the timers and the events of one turn. */
  constructor(timers: number, events: number) {
    this.words = new Int32Array(native.completionCapacity(timers, events));
  }

  /** The system call of the turn that failed, beside what was collected; 0 if none did. */
  get errno(): number {
    return this.words[COMPLETED_ERRNO] as number;
  }

  /** How late the first due timer is, in microseconds; -1 if no timer is due. */
  get lateness(): number {
    const { words } = this;
    return words[COMPLETED_DUE] === 0 ? -1 : (words[COMPLETED_LATENESS] as number);
  }

  /** Bytes received from all sources. */
  get received(): number {
    return this.words[COMPLETED_RECEIVED] as number;
  }

  /** Passes the ids of the due timers on to `sink`: those from `from` to `end`. */
  timersTo(sink: { collect(ids: Int32Array, from: number, end: number): void }): void {
    const { words } = this;
    const end = COMPLETED_HEADER + (words[COMPLETED_DUE] as number);
    sink.collect(words, COMPLETED_HEADER, end);
  }

  /** Passes the reports of the ready sources on. One that fails is lost; the others are not. */
  sourcesTo(
    sink: { collect(index: number, bits: number, result: number): void },
    onFailure: (error: unknown) => void,
  ): void {
    const { words } = this;
    let next = COMPLETED_HEADER + (words[COMPLETED_DUE] as number);
    const end = next + READY_WORDS * (words[COMPLETED_READY] as number);
    while (next < end) {
      try {
        while (next < end) {
          const at = next;
          next = at + READY_WORDS;
          sink.collect(words[at] as number, words[at + 1] as number, words[at + 2] as number);
        }
      } catch (error) {
        onFailure(error);
      }
    }
  }
}
