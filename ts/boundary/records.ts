/**
 * Lists of records of a header and bytes, as `crates/ioloop-napi/src/remote/mod.rs` has them: the
 * posts that a loop takes, in groups by lane, and the replies that a caller takes.
 */
import type { Room } from './value-layout.js';

/** Bytes of a header: three little-endian `u32`. */
export const HEADER = 12;
/** Bytes before the records of a group: the number of the lane, the bytes that follow. */
const GROUP_HEADER = 8;

/** A length with its padding. Lists may be longer than 2 GiB, so the operators are not of the sum. */
export function padded(length: number): number {
  return length + (-length & 7);
}

/** Visits the records of a list, in order: {@link next} moves to the first one. */
export class Records {
  bytes: Buffer;
  view: DataView;
  /** Of a post, the number of the lane. */
  lane = 0;
  /** Post: the index of the function. Reply: the number of the call. */
  first = 0;
  /** Post: the number of the call, or 0. Reply: the status. */
  second = 0;
  /** The bytes of the record are from here... */
  start = 0;
  /** ...to here. */
  end = 0;
  #next = 0;
  /** The end of the group. */
  #groupEnd: number;
  readonly #length: number;

  /** The first `length` bytes of a room. */
  constructor({ bytes, view }: Room, length: number) {
    this.bytes = bytes;
    this.view = view;
    this.#length = this.#groupEnd = length;
  }

  /** Moves to the next record of the group; false after the last one. */
  next(): boolean {
    const at = this.#next;
    if (at >= this.#groupEnd) return false;
    const { view } = this;
    this.first = view.getUint32(at, true);
    this.second = view.getUint32(at + 4, true);
    this.start = at + HEADER;
    this.end = this.start + view.getUint32(at + 8, true);
    this.#next = padded(this.end);
    return true;
  }

  /** Whether {@link next} has another record of the group. */
  get isInGroup(): boolean {
    return this.#next < this.#groupEnd;
  }

  /** Moves to the next group of a list that has groups, before its first record. */
  nextGroup(): boolean {
    const at = this.#next;
    if (at >= this.#length) return false;
    this.lane = this.view.getUint32(at, true);
    this.#next = at + GROUP_HEADER;
    this.#groupEnd = this.#next + this.view.getUint32(at + 4, true);
    return true;
  }
}
