/**
 * The memory that small reads go into. What was asked for is as a rule far more than what comes,
 * so it is not allocated for each read.
 *
 * One per thread, used between two lines of JavaScript: nothing runs meanwhile.
 */
import { capacities } from '../support/capacities.js';
import { markAsUntransferable } from 'node:worker_threads';

/** Reads up to this size go into blocks; larger ones into memory of their own. */
export const LARGEST_READ = 64 * 1024;

/** Memory with what it takes to make views of it: asking a buffer for its memory is a call. */
export class Block {
  readonly bytes: Buffer;
  readonly #memory: ArrayBufferLike;
  readonly #offset: number;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.#memory = bytes.buffer;
    this.#offset = bytes.byteOffset;
  }

  /** `bytes.subarray(start, end)` at a third of its price: this is done for each message. */
  view(start: number, end: number): Buffer {
    return new BufferView(this.#memory, this.#offset + start, end - start);
  }
}

/**
 * Blocks that are filled from front to back: a result is a view of what was read, never copied and
 * never written to again. A block lives as long as a result that lies in it.
 */
class ReceiveBlocks {
  #block = new Block(newBlock());
  #offset = 0;

  /** The memory of the next read, from {@link offset} on. */
  get block(): Block {
    return this.#block;
  }

  get offset(): number {
    return this.#offset;
  }

  /**
   * Makes room for a read of up to `size` bytes; gives how many it may bring. That is less than
   * `size` only at the end of a block, and then still a quarter of the block.
   */
  reserve(size: number): number {
    if (this.block.bytes.length !== capacities.receiveBlock) this.#renew();
    const room = this.block.bytes.length - this.offset;
    if (room >= size) return size;
    if (room >= capacities.receiveBlock / 4) return room;
    this.#renew();
    return Math.min(size, this.block.bytes.length);
  }

  /** Makes room for the reads of a whole turn: at least half a block. */
  reserveTurn(): void {
    const { length } = this.block.bytes;
    const half = capacities.receiveBlock / 2;
    if (length !== 2 * half || length - this.offset < half) this.#renew();
  }

  /** `count` bytes were read: where they begin in {@link block}. */
  advance(count: number): number {
    const start = this.#offset;
    this.#offset = start + count;
    return start;
  }

  /** {@link advance}: the bytes. */
  take(count: number): Buffer {
    const start = this.advance(count);
    return this.block.view(start, start + count);
  }

  #renew(): void {
    this.#block = new Block(newBlock());
    this.#offset = 0;
  }
}

type ViewConstructor = new (memory: ArrayBufferLike, offset: number, length: number) => Buffer;

/** The class of all of Node's buffers, which they name as their species. */
const BufferView = viewConstructor();

function viewConstructor(): ViewConstructor {
  const species = (Buffer as unknown as Record<symbol, unknown>)[Symbol.species];
  // Where `Buffer` itself is named, it is the deprecated constructor that must not be called.
  if (typeof species === 'function' && (species as unknown) !== Buffer) {
    return species as ViewConstructor;
  }
  return bufferFrom as unknown as ViewConstructor;
}

/** Called with `new`, and gives what it returns. */
function bufferFrom(memory: ArrayBuffer, offset: number, length: number): Buffer {
  return Buffer.from(memory, offset, length);
}

const { slice } = Uint8Array.prototype;

/** A copy of `bytes` from `start` to `end`, in memory of its own size that nothing else uses. */
export function copyOf(bytes: Buffer, start: number, end: number): Buffer {
  return slice.call(bytes, start, end) as Buffer;
}

/**
 * Zeroed: `postMessage` and `structuredClone` copy all of the memory behind a result. Not transferable,
 * as Node's own pool is not: a transfer of one result would detach all the others.
 */
function newBlock(): Buffer {
  const block = Buffer.alloc(capacities.receiveBlock);
  markAsUntransferable(block.buffer);
  return block;
}

/** The blocks of this thread. */
export const receiveBlocks = new ReceiveBlocks();
