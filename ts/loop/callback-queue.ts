/** The queue of callbacks for the next turn. */
import type { Context } from './async-context.js';

/** A function of the program, with any parameters. */
export type Callback = (...args: never[]) => unknown;

/** Runs a callback by the guard: never throws. */
export type Run = (callback: Callback, args: readonly unknown[], context: Context) => void;

/**
 * First in, first out, in batches: {@link runBatch} runs the callbacks that were queued when it was
 * called. Those queued meanwhile wait for the next batch, so a callback that adds callbacks starves
 * nothing else.
 *
 * The queue is a list of blocks. A single array would be copied whenever it grows, and writing to a
 * large array costs the garbage collector more than the callbacks cost.
 */
export class CallbackQueue {
  #head = new Block();
  #tail = this.#head;
  #spare: Block | null = null;
  #ran = 0;

  /** The number of callbacks that have run, by blocks. */
  get ran(): number {
    return this.#ran;
  }

  get isEmpty(): boolean {
    return this.#head.length === 0;
  }

  /** The number of callbacks. Looks at every block. */
  get size(): number {
    let words = 0;
    for (let block: Block | null = this.#head; block !== null; block = block.next) {
      words += block.length;
    }
    return words / WORDS;
  }

  push(callback: Callback, args: readonly unknown[], context: Context): void {
    let block = this.#tail;
    if (block.length === BLOCK_WORDS) {
      block.next = this.#takeBlock();
      block = this.#tail = block.next;
    }
    const { words, length } = block;
    words[length] = callback;
    words[length + 1] = args;
    words[length + 2] = context;
    block.length = length + WORDS;
  }

  runBatch(run: Run): void {
    if (this.isEmpty) return;
    let block: Block | null = this.#head;
    this.#head = this.#tail = this.#takeBlock();
    while (block !== null) {
      this.#ran += block.length / WORDS;
      runBlock(block, run);
      const next: Block | null = block.next;
      block.next = null;
      this.#spare = block;
      block = next;
    }
  }

  clear(): void {
    this.#head = this.#tail = new Block();
    this.#spare = null;
  }

  #takeBlock(): Block {
    const block = this.#spare ?? new Block();
    this.#spare = null;
    return block;
  }
}

/** Words of a callback: the function, its arguments, its context. */
const WORDS = 3;
const BLOCK_WORDS = WORDS * 512;

/** A block of the queue. */
class Block {
  readonly words: unknown[] = [];
  /** Words in use. */
  length = 0;
  next: Block | null = null;
}

function runBlock(block: Block, run: Run): void {
  const { words, length } = block;
  for (let at = 0; at < length; at += WORDS) {
    const callback = words[at] as Callback;
    const args = words[at + 1] as readonly unknown[];
    const context = words[at + 2] as Context;
    // The queue does not keep the closure of a callback that runs.
    words[at] = words[at + 1] = words[at + 2] = undefined;
    run(callback, args, context);
  }
  block.length = 0;
}
