/** The bytes of a stream that have arrived and were not read. */
import { Block, copyOf } from '../boundary/receive-blocks.js';

/**
 * One window of one block. What is taken is a view of it, and is never written to again: the
 * window only moves forward, and whoever needs more room gets a new block.
 *
 * The block is at first the one that was received into, which others share; {@link detach} copies
 * what stays, so that a slow peer keeps no more memory than it has sent.
 */
export class ReadBuffer {
  #block = NOTHING;
  #start = 0;
  #end = 0;
  /** Whether the block behind the window is ours to fill. */
  #own = false;

  get length(): number {
    return this.#end - this.#start;
  }

  /** Whether what is left lies in a block that others share. */
  get isShared(): boolean {
    return !this.#own && this.#end > this.#start;
  }

  /** Appends the bytes from `start` to `end` of a block that others share. */
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
    const offset = this.reserve(end - start);
    block.bytes.copy(this.#block.bytes, offset, start, end);
    this.#end += end - start;
  }

  /** Puts a copy of `bytes` before what is there. */
  prepend(bytes: Uint8Array): void {
    const behind = this.length;
    const block = Buffer.alloc(bytes.length + behind);
    block.set(bytes);
    this.#block.bytes.copy(block, bytes.length, this.#start, this.#end);
    this.#block = new Block(block);
    this.#start = 0;
    this.#end = block.length;
    this.#own = true;
  }

  /**
   * Makes room for `size` bytes behind the window, in a block of its own: where it begins. What is
   * then written there is {@link grow}n by.
   */
  reserve(size: number): number {
    const length = this.#end - this.#start;
    if (this.#own && this.#block.bytes.length - this.#end >= size) return this.#end;
    // Twice as large each time: appending stays linear, however many pieces come.
    const capacity = Math.max(length + size, Math.min(2 * length, length + LARGEST_SPARE));
    // Zeroed: the memory behind a result can be seen.
    const bytes = Buffer.alloc(capacity);
    this.#block.bytes.copy(bytes, 0, this.#start, this.#end);
    this.#block = new Block(bytes);
    this.#start = 0;
    this.#end = length;
    this.#own = true;
    return length;
  }

  /** What {@link reserve} made room in. */
  get bytes(): Buffer {
    return this.#block.bytes;
  }

  /** `count` bytes were written behind the window. */
  grow(count: number): void {
    this.#end += count;
  }

  /** Takes the first `count` bytes, at most {@link length}. */
  take(count: number): Buffer {
    const start = this.#start;
    const taken = this.#block.view(start, start + count);
    this.#advance(count);
    return taken;
  }

  /** Moves up to `length` bytes to `target`: how many. */
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

  /** Where `pattern` begins at or behind `from`; -1 when it does not. */
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

  /** Copies what is left out of a shared block. */
  detach(): void {
    if (!this.isShared) return;
    this.#block = new Block(copyOf(this.#block.bytes, this.#start, this.#end));
    this.#end -= this.#start;
    this.#start = 0;
    this.#own = true;
  }

  #advance(count: number): void {
    this.#start += count;
    if (this.#start !== this.#end) return;
    // Empty: let go of the memory.
    this.#block = NOTHING;
    this.#start = this.#end = 0;
    this.#own = false;
  }
}

const NOTHING = new Block(Buffer.alloc(0));

/** Up to here, comparing bytes one by one is cheaper than a view and a call. */
const NEAR = 96;

/** Growth beyond this is by a constant, lest half of a large buffer be empty. */
const LARGEST_SPARE = 16 * 1024 * 1024;
