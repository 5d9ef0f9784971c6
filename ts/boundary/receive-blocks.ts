/**
 * Memory for small reads, which as a rule give far less than they ask for: it is not allocated for
 * each read.
 *
 * A block is filled from front to back. A result is a view of the bytes that were read, which are
 * never moved or written to again; the block lives as long as one of its results.
 *
 * There is one per thread. A reader takes {@link ReceiveBlocks.block} and {@link ReceiveBlocks.offset},
 * makes one system call, and {@link ReceiveBlocks.advance | advances}; no other code runs in between.
 */
import { markAsUntransferable } from 'node:worker_threads';
import { capacities, type Capacities } from '../support/capacities.js';

/** Reads up to this size go into blocks; larger ones into memory of their own. */
export const LARGEST_READ = 64 * 1024;

/** A block of memory that makes views of itself. */
export class Block {
  readonly bytes: Buffer;
  readonly #memory: ArrayBufferLike;
  readonly #offset: number;
  #isHeld = false;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.#memory = bytes.buffer;
    this.#offset = bytes.byteOffset;
  }

  /** `bytes.subarray(start, end)` at a third of the cost, as each message needs one. */
  view(start: number, end: number): Buffer {
    return new BufferView(this.#memory, this.#offset + start, end - start);
  }

  /** The program has a part of the memory, which may not be transferred from now on: the rest is in use. */
  hold(): void {
    if (this.#isHeld) return;
    this.#isHeld = true;
    markAsUntransferable(this.#memory);
  }
}

/** The block that is being filled, and how far it is. */
class ReceiveBlocks {
  readonly #sizes: Pick<Capacities, 'receiveBlock'>;
  #block: Block;
  #offset = 0;

  /** A block has the size that `sizes` names when it is made. */
  constructor(sizes: Pick<Capacities, 'receiveBlock'>) {
    this.#sizes = sizes;
    this.#block = new Block(newBlock(sizes.receiveBlock));
  }

  /** The memory of the next read, from {@link offset} on. */
  get block(): Block {
    return this.#block;
  }

  get offset(): number {
    return this.#offset;
  }

  /**
   * Makes room for a read of up to `size` bytes: how many bytes it may ask for. These are fewer than
   * `size` only at the end of a block, and then at least a quarter of the block.
   */
  reserve(size: number): number {
    const whole = this.#sizes.receiveBlock;
    if (this.#block.bytes.length !== whole) this.#renew();
    const room = whole - this.#offset;
    if (room >= size) return size;
    if (room >= whole / 4) return room;
    this.#renew();
    return Math.min(size, whole);
  }

  /** Makes room for the reads of a turn: at least half a block. */
  reserveTurn(): void {
    const whole = this.#sizes.receiveBlock;
    const { length } = this.#block.bytes;
    if (length !== whole || whole - this.#offset < whole / 2) this.#renew();
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
    return this.#block.view(start, start + count);
  }

  #renew(): void {
    this.#block = new Block(newBlock(this.#sizes.receiveBlock));
    this.#offset = 0;
  }
}

type ViewConstructor = new (memory: ArrayBufferLike, offset: number, length: number) => Buffer;

/** The class of Node's buffers, whose constructor makes a view of an `ArrayBuffer`. */
const BufferView = viewConstructor();

function viewConstructor(): ViewConstructor {
  const species = (Buffer as unknown as Record<symbol, unknown>)[Symbol.species];
  // Where `Buffer` itself is named, it is the deprecated constructor that must not be called.
  if (typeof species === 'function' && (species as unknown) !== Buffer) {
    return species as ViewConstructor;
  }
  return bufferFrom as unknown as ViewConstructor;
}

/** Called with `new`: the result of the call, as it is an object. */
function bufferFrom(memory: ArrayBuffer, offset: number, length: number): Buffer {
  return Buffer.from(memory, offset, length);
}

/** `bytes.subarray(start, end)`, as {@link Block.view}. */
export function viewOf(bytes: Buffer, start: number, end: number): Buffer {
  return new BufferView(bytes.buffer, bytes.byteOffset + start, end - start);
}

const { slice } = Uint8Array.prototype;

/** A copy of `bytes` from `start` to `end`, in memory of its own that is not larger. */
export function copyOf(bytes: Buffer, start: number, end: number): Buffer {
  return slice.call(bytes, start, end) as Buffer;
}

/**
 * Zeroed, as `postMessage` and `structuredClone` copy the whole block with each result. Not
 * transferable, like Node's own pool: a transfer of one result would detach all the others.
 */
function newBlock(size: number): Buffer {
  const block = Buffer.alloc(size);
  markAsUntransferable(block.buffer);
  return block;
}

/** The blocks of this thread. */
export const receiveBlocks = new ReceiveBlocks(capacities);
