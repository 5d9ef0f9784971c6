/**
 * Ready streams that a turn receives for later, in their order.
 *
 * A turn whose code answers receives for a few streams, runs their code, sends the answers, and goes on
 * with the next few. So what a message touches is in the processor's first caches from its receive to its
 * send. All streams were ready when the turn began: it asks the selector once.
 */
import type { NativeLoop } from '../boundary/native-loop.js';

/** The table of sources `S`. */
interface Table<S> {
  readonly modes: Uint8Array;
  /** Whether `source` is registered at `index`. */
  isAt(index: number, source: S | undefined): boolean;
  /** Takes the report of a source, as `SourceTable.collect`. */
  take(source: S, bits: number, result: number): void;
}

/** The streams of one turn. The arrays stay for the next one; those that are served are `undefined`. */
export class LaterReceives<S> {
  readonly #sources: (S | undefined)[] = [];
  /** Two words for each: its index, and its bits. */
  readonly #words: number[] = [];
  #count = 0;
  #next = 0;
  /** As `loopReceive` takes them: an index and a result for each. */
  readonly #requests: Int32Array;

  /** Receives for `most` streams at a time. */
  constructor(most: number) {
    this.#requests = new Int32Array(2 * most);
  }

  get isEmpty(): boolean {
    return this.#next === this.#count;
  }

  push(source: S, index: number, bits: number): void {
    const at = this.#count;
    this.#sources[at] = source;
    this.#words[2 * at] = index;
    this.#words[2 * at + 1] = bits;
    this.#count = at + 1;
  }

  /** Receives for the next streams, and passes their reports on. One that fails is lost; the others are not. */
  receive(core: NativeLoop, table: Table<S>, onFailure: (error: unknown) => void): number {
    const from = this.#next;
    const end = Math.min(this.#count, from + this.#requests.length / 2);
    const received = this.#request(core, table, from, end);
    while (this.#next < end) {
      try {
        while (this.#next < end) this.#report(table, from);
      } catch (error) {
        onFailure(error);
      }
    }
    if (end === this.#count) this.#count = this.#next = 0;
    return received;
  }

  clear(): void {
    this.#sources.length = 0;
    this.#count = this.#next = 0;
  }

  #request(core: NativeLoop, table: Table<S>, from: number, end: number): number {
    const requests = this.#requests;
    for (let at = from; at < end; at += 1) {
      const index = this.#words[2 * at] as number;
      // Code that has run since may have ended the registration: the index may be another's.
      requests[2 * (at - from)] = table.isAt(index, this.#sources[at]) ? index : ENDED;
    }
    return core.receive(requests, end - from, table.modes);
  }

  #report(table: Table<S>, from: number): void {
    const at = this.#next;
    this.#next = at + 1;
    const source = this.#sources[at] as S;
    this.#sources[at] = undefined;
    const request = 2 * (at - from);
    if (this.#requests[request] === ENDED) return;
    table.take(source, this.#words[2 * at + 1] as number, this.#requests[request + 1] as number);
  }
}

/** In the place of an index: the registration has ended, which its owner was notified of. */
const ENDED = -1;
