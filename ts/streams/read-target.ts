/** Memory that a read fills directly: bytes that come in large numbers do not pass the buffer. */
import { bufferDetached } from '../support/errors.js';
import type { ReadBuffer } from './read-buffer.js';
import type { Transport } from './transport.js';

/** The memory of one read, and how much of it is filled. */
export class ReadTarget {
  readonly bytes: Buffer;
  /** The length of {@link bytes} when the read began: the user may transfer or resize the memory. */
  readonly size: number;
  /** Bytes of the read so far. */
  filled = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.size = bytes.length;
  }

  get isFull(): boolean {
    return this.filled === this.size;
  }

  /** Bytes that are missing. */
  get room(): number {
    return this.size - this.filled;
  }

  /** @throws `ERR_IOLOOP_BUFFER_DETACHED` if the memory is shorter than when the read began. */
  assertIntact(name: string): void {
    if (this.bytes.length < this.size) throw bufferDetached(name, 0);
  }

  /** Moves bytes from the front of `buffer`. Returns whether the target is full. */
  takeFrom(buffer: ReadBuffer): boolean {
    if (buffer.length > 0) this.filled += buffer.moveTo(this.bytes, this.filled, this.room);
    return this.isFull;
  }

  /** Reads from `source`, at most `most` bytes. Returns the result of the read. */
  readFrom(source: Transport, most: number): number {
    const count = source.read(this.bytes, this.filled, Math.min(this.room, most));
    if (count > 0) this.filled += count;
    return count;
  }

  /**
   * Puts the bytes of a read that fails back to the front of `buffer`. The memory is the user's
   * again. A second call does nothing.
   *
   * @throws `ERR_IOLOOP_BUFFER_DETACHED` if the memory has lost them; the error of a failed
   * allocation.
   */
  giveBack(buffer: ReadBuffer, name: string): void {
    const { bytes, filled } = this;
    if (filled === 0) return;
    this.filled = 0;
    if (bytes.length < filled) throw bufferDetached(name, filled);
    buffer.prepend(bytes.subarray(0, filled));
  }
}
