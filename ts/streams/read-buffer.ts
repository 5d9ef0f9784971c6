/** The bytes of a stream that were received and not read. */
import { borrowedRoom } from '../boundary/borrowed-room.js';
import { claim, largeRoom } from '../boundary/large-room.js';
import { Block, copyOf, receiveBlocks } from '../boundary/receive-blocks.js';
import type { Transport } from './transport.js';

/**
 * A window of one block. Results are views of the block, so that bytes that were taken are never
 * written to: the window only moves forward, and more room means another block.
 *
 * | Block  | Memory of                    | More bytes are                                |
 * | ------ | ---------------------------- | --------------------------------------------- |
 * | none   |                              | left in the block that they were received to  |
 * | shared | this thread's receive blocks | adopted where they adjoin, else copied to an own block |
 * | own    | this buffer                  | appended                                      |
 *
 * {@link detach} copies what is left in a shared block, so that a slow peer keeps no more memory
 * than it has sent.
 */
export class ReadBuffer {
  #block = NOTHING;
  #start = 0;
  #end = 0;
  /** The block is this buffer's: the memory after the window is unused. */
  #own = false;

  get length(): number {
    return this.#end - this.#start;
  }

  /** Whether bytes are left in a shared block. */
  get isShared(): boolean {
    return !this.#own && this.#end > this.#start;
  }

  /** Whether the bytes are gone: the program has transferred their memory. */
  get isLost(): boolean {
    return this.#end > this.#start && this.#block.bytes.length < this.#end;
  }

  /**
   * Reads up to `size` bytes from `source`, without a copy if the window is empty. Returns the result
   * of the read.
   */
  readFrom(source: Transport, size: number): number {
    const { leastRoom } = source;
    const shared = this.length > 0 ? 0 : receiveBlocks.reserve(size);
    if (shared >= leastRoom) return this.#readShared(source, shared);
    const offset = this.#reserve(size);
    const count = source.read(this.#block.bytes, offset, size);
    if (count > 0) this.#end += count;
    return count;
  }

  /**
   * {@link readFrom} for sources that give much: to memory of its own, which the result fills. A shared
   * block would be new for each two of them.
   */
  readLarge(source: Transport, size: number): number {
    if (this.length > 0) return this.readFrom(source, size);
    const room = largeRoom(size);
    const count = source.read(room, 0, size);
    if (count > 0) this.own(claim(room, count));
    return count;
  }

  /** {@link readLarge} to the room of borrowed chunks. {@link leaveRoom} follows, before the next read. */
  readBorrowed(source: Transport, size: number): number {
    if (this.length > 0) return this.readFrom(source, size);
    const most = borrowedRoom.reserve(size);
    if (most < source.leastRoom) return this.readLarge(source, size);
    const { block, offset } = borrowedRoom;
    const count = source.read(block.bytes, offset, most);
    if (count <= 0) return count;
    const start = borrowedRoom.advance(count);
    this.receive(block, start, start + count);
    return count;
  }

  #readShared(source: Transport, size: number): number {
    const { block, offset } = receiveBlocks;
    const count = source.read(block.bytes, offset, size);
    if (count <= 0) return count;
    const start = receiveBlocks.advance(count);
    this.receive(block, start, start + count);
    return count;
  }

  /** Appends the bytes from `start` to `end` of a shared block. */
  receive(block: Block, start: number, end: number): void {
    if (this.#start === this.#end) {
      this.#block = block;
      this.#start = start;
      this.#end = end;
      this.#own = false;
      return;
    }
    if (!this.#own && block === this.#block && start === this.#end) {
      this.#end = end;
      return;
    }
    const offset = this.#reserve(end - start);
    block.bytes.copy(this.#block.bytes, offset, start, end);
    this.#end += end - start;
  }

  /**
   * Continues with `bytes`, which are this buffer's, in an empty buffer. A small part of a larger block is
   * copied, as by {@link detach}.
   */
  own(bytes: Buffer): void {
    const { length } = bytes;
    const isPart = 2 * length < bytes.buffer.byteLength;
    this.#adopt(isPart ? copyOf(bytes, 0, length) : bytes, length);
  }

  /** All bytes, which stay. */
  view(): Buffer {
    return this.#block.view(this.#start, this.#end);
  }

  /** Puts a copy of `bytes` in front. */
  prepend(bytes: Uint8Array): void {
    const block = Buffer.alloc(bytes.length + this.length);
    block.set(bytes);
    this.#block.bytes.copy(block, bytes.length, this.#start, this.#end);
    this.#adopt(block, block.length);
  }

  /** Takes the first `count` bytes, at most {@link length}. */
  take(count: number): Buffer {
    const start = this.#start;
    const taken = this.#block.view(start, start + count);
    this.skip(count);
    return taken;
  }

  /** Takes the first `count` bytes, of which {@link view} has given a view. */
  skip(count: number): void {
    this.#advance(count);
    // The memory of a shared one cannot be transferred either.
    if (this.#own) this.#block.hold();
  }

  /** Moves up to `length` bytes to `target`. Returns how many. */
  moveTo(target: Uint8Array, offset: number, length: number): number {
    const count = Math.min(length, this.length);
    if (count > 0) target.set(this.#block.view(this.#start, this.#start + count), offset);
    this.#advance(count);
    return count;
  }

  /** A copy of the first `count` bytes, which stay. */
  copy(count: number): Buffer {
    return copyOf(this.#block.bytes, this.#start, this.#start + count);
  }

  /** The position of `pattern` at or after `from`; -1 if it is not there. */
  indexOf(pattern: Buffer, from: number): number {
    const [first = 0] = pattern;
    const { bytes } = this.#block;
    const begin = this.#start + from;
    const near = Math.min(this.#end, begin + NEAR);
    if (pattern.length === 1) {
      for (let at = begin; at < near; at += 1) if (bytes[at] === first) return at - this.#start;
      if (near === this.#end) return -1;
    }
    const found = this.#block.view(begin, this.#end).indexOf(pattern);
    return found < 0 ? -1 : found + from;
  }

  /** The first `count` bytes, or all, as characters of one byte each. */
  latin1(count: number): string {
    const end = Math.min(this.#start + count, this.#end);
    return this.#block.bytes.toString('latin1', this.#start, end);
  }

  /** Copies what is left out of the room of borrowed chunks, unless the program has transferred that. */
  leaveRoom(): void {
    if (this.#block === borrowedRoom.block && !this.isLost) this.detach();
  }

  /** Copies what is left out of a shared block. */
  detach(): void {
    if (!this.isShared) return;
    this.#adopt(copyOf(this.#block.bytes, this.#start, this.#end), this.length);
  }

  /** Makes room for `size` bytes after the window, in an own block. Returns where it begins. */
  #reserve(size: number): number {
    const { length } = this;
    if (this.#own && this.#block.bytes.length - this.#end >= size) return this.#end;
    // Twice as large each time: appending stays linear in the number of pieces.
    const capacity = Math.max(length + size, Math.min(2 * length, length + LARGEST_SPARE));
    // Zeroed: a program can see the memory around a result.
    const bytes = Buffer.alloc(capacity);
    this.#block.bytes.copy(bytes, 0, this.#start, this.#end);
    this.#adopt(bytes, length);
    return length;
  }

  /** Continues in a block of its own, whose first `length` bytes are the window. */
  #adopt(bytes: Buffer, length: number): void {
    this.#block = new Block(bytes);
    this.#start = 0;
    this.#end = length;
    this.#own = true;
  }

  #advance(count: number): void {
    this.#start += count;
    if (this.#start !== this.#end) return;
    // Empty: releases the block.
    this.#block = NOTHING;
    this.#start = this.#end = 0;
    this.#own = false;
  }
}

/** A buffer for a reader that has bytes: one that another reader has released, if there is one. */
export function takeReadBuffer(): ReadBuffer {
  if (spareCount === 0) return new ReadBuffer();
  spareCount -= 1;
  const buffer = spares[spareCount] as ReadBuffer;
  // It is its reader's, and may be garbage with it.
  spares[spareCount] = NO_BYTES;
  return buffer;
}

/** Releases an empty buffer, which its reader does not use any more. */
export function releaseReadBuffer(buffer: ReadBuffer): void {
  if (spareCount === MOST_SPARES) return;
  spares[spareCount] = buffer;
  spareCount += 1;
}

const NOTHING = new Block(Buffer.alloc(0));

/** Bytes up to which a comparison one by one is cheaper than a view and a call. */
const NEAR = 96;

/** Larger blocks grow by this: otherwise half of a large buffer could be unused. */
const LARGEST_SPARE = 16 * 1024 * 1024;

/** The buffer of all readers without bytes. It is never filled: a read finds nothing to take. */
export const NO_BYTES = new ReadBuffer();

/**
 * Most messages are read in the turn that receives them: as many buffers are in use as the turn has
 * streams. These are kept. New ones would cost garbage collection, and write barriers.
 */
const spares: ReadBuffer[] = [];
/** The first so many of {@link spares} are free; the array keeps its length, which is cheaper. */
let spareCount = 0;
/** The streams of a turn, about: 64 kB. */
const MOST_SPARES = 1024;
