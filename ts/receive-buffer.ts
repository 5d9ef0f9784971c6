/**
 * The memory that reads go into. What was asked for is as a rule far more than what comes, so it
 * is not allocated for each read.
 *
 * Per thread, and used between two lines of JavaScript: nothing runs meanwhile.
 */
import { markAsUntransferable } from 'node:worker_threads';

/** Reads up to this size go into blocks; larger ones into memory of their own. */
export const BLOCK_BYTES = 64 * 1024;

/**
 * Blocks that are filled from front to back: a result is a view of what was read, never copied and
 * never written to again. A block lives as long as a result that lies in it.
 */
export class ReceiveBlocks {
  /** Where the next read goes: to `block`, from `offset` on. */
  block = newBlock();
  offset = 0;

  /**
   * Makes room for a read of up to `size` bytes, at most a block; gives how many it may bring.
   * That is less than `size` only at the end of a block, and then still half a block.
   */
  reserve(size: number): number {
    const room = this.block.length - this.offset;
    if (room >= size) return size;
    if (room >= BLOCK_BYTES / 2) return room;
    this.block = newBlock();
    this.offset = 0;
    return size;
  }

  /** The `count` bytes that were read. */
  take(count: number): Buffer {
    const { block, offset } = this;
    const end = offset + count;
    this.offset = end;
    return block.subarray(offset, end);
  }
}

/** Room for a large read, until the next call. */
export function largeRoom(size: number): Buffer {
  if (spare !== null && spare.length >= size) return spare;
  const room = Buffer.allocUnsafeSlow(size);
  if (size <= MAX_SPARE_BYTES) spare = room;
  return room;
}

/**
 * The first `count` bytes of a large room: the room itself when they fill more than half of it,
 * else a copy, so that a small result keeps no large memory.
 */
export function claim(room: Buffer, count: number): Buffer {
  if (count > room.length / 2) {
    if (room === spare) spare = null;
    return room.subarray(0, count);
  }
  const copy = Buffer.allocUnsafe(count);
  room.copy(copy, 0, 0, count);
  return copy;
}

/** Whoever transferred one result of a block would empty all the others, as in Node's own pool. */
function newBlock(): Buffer {
  const block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  markAsUntransferable(block.buffer);
  return block;
}

/** Kept while nobody fills it; what is larger is not worth keeping. */
const MAX_SPARE_BYTES = 1024 * 1024;
let spare: Buffer | null = null;
