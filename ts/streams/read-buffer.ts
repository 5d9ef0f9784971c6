/** The bytes of a stream that have arrived and were not read. */
import { view } from '../receive-blocks.js';

/**
 * One window of one block. What is taken is a view of it, and is never written to again: the
 * window only moves forward, and whoever needs more room gets a new block.
 *
 * The block is at first the one that was received into, which others share; {@link detach} copies
 * what stays, so that a slow peer keeps no more memory than it has sent.
 */
export class ReadBuffer {
  #block: Buffer = NOTHING;
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
  receive(block: Buffer, start: number, end: number): void {
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
    block.copy(this.#block, offset, start, end);
    this.#end += end - start;
  }

  /** Appends a copy of `bytes`. */
  append(bytes: Uint8Array): void {
    this.#block.set(bytes, this.reserve(bytes.length));
    this.#end += bytes.length;
  }

  /**
   * Makes room for `size` bytes behind the window, in a block of its own: where it begins. What is
   * then written there is {@link grow}n by.
   */
  reserve(size: number): number {
    const length = this.#end - this.#start;
    if (this.#own && this.#block.length - this.#end >= size) return this.#end;
    // Twice as large each time: appending stays linear, however many pieces come.
    const capacity = Math.max(length + size, Math.min(2 * length, length + LARGEST_SPARE));
    const block = Buffer.allocUnsafeSlow(capacity);
    this.#block.copy(block, 0, this.#start, this.#end);
    this.#block = block;
    this.#start = 0;
    this.#end = length;
    this.#own = true;
    return length;
  }

  /** The block that {@link reserve} made room in. */
  get block(): Buffer {
    return this.#block;
  }

  /** `count` bytes were written behind the window. */
  grow(count: number): void {
    this.#end += count;
  }

  /** Takes the first `count` bytes, at most {@link length}. */
  take(count: number): Buffer {
    const start = this.#start;
    const taken = view(this.#block, start, start + count);
    this.#advance(count);
    return taken;
  }

  /** Moves up to `length` bytes to `target`: how many. */
  moveTo(target: Uint8Array, offset: number, length: number): number {
    const count = Math.min(length, this.length);
    if (count > 0) target.set(view(this.#block, this.#start, this.#start + count), offset);
    this.#advance(count);
    return count;
  }

  /** The first `count` bytes, which stay. */
  peek(count: number): Buffer {
    return view(this.#block, this.#start, this.#start + count);
  }

  /** Where `pattern` begins at or behind `from`; -1 when it does not. */
  indexOf(pattern: Buffer, from: number): number {
    const [first = 0] = pattern;
    const block = this.#block;
    const begin = this.#start + from;
    const near = Math.min(this.#end, begin + NEAR);
    if (pattern.length === 1) {
      for (let at = begin; at < near; at += 1) if (block[at] === first) return at - this.#start;
      if (near === this.#end) return -1;
    }
    const found = view(block, begin, this.#end).indexOf(pattern);
    return found < 0 ? -1 : found + from;
  }

  /** The bytes as characters of one byte each. */
  latin1(): string {
    return this.#block.toString('latin1', this.#start, this.#end);
  }

  /** Copies what is left out of a shared block. */
  detach(): void {
    if (!this.isShared) return;
    const copy = Buffer.allocUnsafe(this.length);
    this.#block.copy(copy, 0, this.#start, this.#end);
    this.#block = copy;
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

const NOTHING = Buffer.alloc(0);

/** Up to here, comparing bytes one by one is cheaper than a view and a call. */
const NEAR = 96;

/** Growth beyond this is by a constant, lest half of a large buffer be empty. */
const LARGEST_SPARE = 16 * 1024 * 1024;
