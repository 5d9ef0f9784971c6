/** The callbacks that wait for the next turn. */
import type { Context } from './async-context.js';

/** A function that user code handed over, whatever it takes. */
export type Callback = (...args: never[]) => unknown;

/** Runs a callback, isolated: nothing it throws or rejects with comes out of it. */
export type Run = (callback: Callback, args: readonly unknown[], context: Context) => void;

/**
 * First in, first out, in batches: {@link runBatch} runs what was queued when it was called. What
 * is queued meanwhile waits for the next batch, so a callback that adds callbacks starves nobody.
 */
export class CallbackQueue {
  /** Three words a callback: the function, its arguments, its context. Flat, to allocate nothing. */
  #queued: unknown[] = [];
  /** Words in use of it; the rest is capacity. */
  #length = 0;
  #spare: unknown[] = [];

  get isEmpty(): boolean {
    return this.#length === 0;
  }

  push(callback: Callback, args: readonly unknown[], context: Context): void {
    const length = this.#length;
    this.#queued[length] = callback;
    this.#queued[length + 1] = args;
    this.#queued[length + 2] = context;
    this.#length = length + 3;
  }

  runBatch(run: Run): void {
    const batch = this.#queued;
    const length = this.#length;
    if (length === 0) return;
    this.#queued = this.#spare;
    this.#length = 0;
    for (let at = 0; at < length; at += 3) {
      const callback = batch[at] as Callback;
      const args = batch[at + 1] as unknown[];
      const context = batch[at + 2] as Context;
      // What has run is let go of before the next one runs.
      batch[at] = batch[at + 1] = batch[at + 2] = undefined;
      run(callback, args, context);
    }
    // A small array is kept for the batch after next; a large one would hold its memory for good.
    this.#spare = batch.length > SPARE_LIMIT ? [] : batch;
  }

  clear(): void {
    this.#queued = [];
    this.#spare = [];
    this.#length = 0;
  }
}

const SPARE_LIMIT = 3 * 4096;
