/** The kinds of reads: the condition of each, and its result. */
import { unsatisfiableRead } from '../support/errors.js';
import { copyOf } from '../boundary/receive-blocks.js';
import type { ReadBuffer } from './read-buffer.js';
import { ReadTarget } from './read-target.js';

/** One read of a stream, until it is settled. */
export interface Read<T> {
  /** The name of the method, for errors. */
  readonly name: string;
  /**
   * Takes the result from the buffer; `undefined` if the bytes do not suffice. `ended`: EOF was
   * found. `more`: more bytes can be read at once.
   *
   * @throws `ERR_IOLOOP_UNSATISFIABLE_READ` if it can never be satisfied.
   */
  take(buffer: ReadBuffer, ended: boolean, more: boolean): T | undefined;
  /** The memory of a large read, which is filled without the buffer; `null` for others. */
  readonly target: ReadTarget | null;
  /** Whether the error of the read carries the bytes that had arrived. */
  readonly keepsPartial: boolean;
  /** Whether the stream stays open if the read cannot be satisfied. */
  readonly sparesStream: boolean;
}

/** Bytes from which a read fills memory of its own, in as few calls as possible. */
const DIRECT_BYTES = 16 * 1024;

/** `readBytes`: exactly `count` bytes, or with `partial` at least one. */
class ReadBytes implements Read<Buffer> {
  readonly name = 'readBytes';
  readonly target: ReadTarget | null;
  readonly keepsPartial = false;
  readonly sparesStream = false;
  readonly #count: number;
  readonly #partial: boolean;

  constructor(count: number, partial: boolean) {
    this.#count = count;
    this.#partial = partial;
    // A large result is allocated at once. Pages that no byte has come for are never touched.
    this.target =
      !partial && count >= DIRECT_BYTES && count <= LARGEST_TARGET
        ? new ReadTarget(Buffer.allocUnsafeSlow(count))
        : null;
  }

  take(buffer: ReadBuffer): Buffer | undefined {
    const count = this.#count;
    if (this.target !== null) return this.target.takeFrom(buffer) ? this.target.bytes : undefined;
    const { length } = buffer;
    if (length >= count) return buffer.take(count);
    return this.#partial && length > 0 ? buffer.take(length) : undefined;
  }
}

/**
 * A read of `count` bytes. Small ones are stateless, and most programs repeat the same one: the last
 * is kept, for all streams.
 */
export function readBytes(count: number, partial: boolean): Read<Buffer> {
  if (count === lastCount && partial === lastPartial) return last;
  const read = new ReadBytes(count, partial);
  if (read.target !== null) return read;
  lastCount = count;
  lastPartial = partial;
  last = read;
  return read;
}

/** `readInto`: fills the caller's memory, or with `partial` at least one byte of it. */
export class ReadInto implements Read<number> {
  readonly name = 'readInto';
  readonly target: ReadTarget;
  readonly keepsPartial = false;
  readonly sparesStream = false;
  readonly #partial: boolean;

  constructor(bytes: NodeJS.ArrayBufferView, partial: boolean) {
    const { buffer, byteOffset, byteLength } = bytes;
    const memory = Buffer.isBuffer(bytes) ? bytes : Buffer.from(buffer, byteOffset, byteLength);
    this.target = new ReadTarget(memory);
    this.#partial = partial;
  }

  take(buffer: ReadBuffer): number | undefined {
    const isFull = this.target.takeFrom(buffer);
    const { filled } = this.target;
    return isFull || (this.#partial && filled > 0) ? filled : undefined;
  }
}

/** A read up to an end that it looks for, within `maxBytes`. */
abstract class LimitedRead implements Read<Buffer> {
  abstract readonly name: string;
  readonly target = null;
  readonly keepsPartial = false;
  readonly sparesStream: boolean;
  protected readonly maxBytes: number;

  constructor(maxBytes: number, sparesStream: boolean) {
    this.maxBytes = maxBytes;
    this.sparesStream = sparesStream;
  }

  take(buffer: ReadBuffer, _ended: boolean, _more: boolean): Buffer | undefined {
    const end = this.findEnd(buffer);
    if (end >= 0 && end <= this.maxBytes) return buffer.take(end);
    // It ends beyond the limit, if at all.
    if (end >= 0 || buffer.length >= this.maxBytes) throw this.failure(this.maxBytes);
    return undefined;
  }

  /** The position after the end that is looked for; -1 if it is not in the buffer. */
  protected abstract findEnd(buffer: ReadBuffer): number;
  protected abstract failure(maxBytes: number): Error;
}

/** `readUntil`: up to a delimiter, which is included. */
export class ReadUntil extends LimitedRead {
  readonly name = 'readUntil';
  readonly #delimiter: Buffer;
  /** No delimiter begins before this position, which was searched. */
  #searched = 0;

  constructor(delimiter: Buffer, maxBytes: number, sparesStream: boolean) {
    super(maxBytes, sparesStream);
    this.#delimiter = delimiter;
  }

  protected override findEnd(buffer: ReadBuffer): number {
    const size = this.#delimiter.length;
    const found = buffer.indexOf(this.#delimiter, this.#searched);
    if (found >= 0) return found + size;
    this.#searched = Math.max(buffer.length - size + 1, 0);
    return -1;
  }

  protected override failure(maxBytes: number): Error {
    return unsatisfiableRead('delimiter', this.#delimiter.toString('latin1'), maxBytes);
  }
}

/** `readUntilRegex`: up to the end of the first match. */
export class ReadUntilRegex extends LimitedRead {
  readonly name = 'readUntilRegex';
  readonly #regex: RegExp;

  /** The number of bytes at which to search again, while more can be read. */
  #next = 0;

  constructor(regex: RegExp, maxBytes: number, sparesStream: boolean) {
    super(maxBytes, sparesStream);
    // Every search begins at the start of the buffer: no `lastIndex`, and not sticky.
    this.#regex = new RegExp(regex.source, regex.flags.replaceAll(/[gyd]/g, ''));
  }

  override take(buffer: ReadBuffer, ended: boolean, more: boolean): Buffer | undefined {
    const { length } = buffer;
    // A large buffer is not searched for every chunk of a fast peer.
    if (more && length < this.#next && length < this.maxBytes) return undefined;
    const taken = super.take(buffer, ended, more);
    this.#next = length <= OFTEN_SEARCHED ? 0 : length * 1.25;
    return taken;
  }

  protected override findEnd(buffer: ReadBuffer): number {
    if (buffer.length === 0) return -1;
    // One byte more than allowed: a match that is too long is not cut off.
    const match = this.#regex.exec(buffer.latin1(this.maxBytes + 1));
    return match === null ? -1 : match.index + match[0].length;
  }

  protected override failure(maxBytes: number): Error {
    return unsatisfiableRead('match for', String(this.#regex), maxBytes);
  }
}

/** `readUntilClose`: everything up to EOF. */
export class ReadUntilClose implements Read<Buffer> {
  readonly name = 'readUntilClose';
  readonly target = null;
  readonly keepsPartial = true;
  readonly sparesStream = false;

  take(buffer: ReadBuffer, ended: boolean): Buffer | undefined {
    return ended ? buffer.take(buffer.length) : undefined;
  }
}

/** `peek`: a copy of `count` bytes, which stay. */
export class Peek implements Read<Buffer> {
  readonly name = 'peek';
  readonly target = null;
  readonly keepsPartial = false;
  readonly sparesStream = false;
  readonly #count: number;

  constructor(count: number) {
    this.#count = count;
  }

  take(buffer: ReadBuffer): Buffer | undefined {
    // The memory of the bytes belongs to the read that takes them later.
    return buffer.length >= this.#count ? buffer.copy(this.#count) : undefined;
  }
}

/** A read whose result does not share memory with other results. */
export class Copied<T> implements Read<T> {
  readonly name: string;
  readonly target: ReadTarget | null;
  readonly keepsPartial: boolean;
  readonly sparesStream: boolean;
  readonly #read: Read<T>;

  constructor(read: Read<T>) {
    this.name = read.name;
    this.target = read.target;
    this.keepsPartial = read.keepsPartial;
    this.sparesStream = read.sparesStream;
    this.#read = read;
  }

  take(buffer: ReadBuffer, ended: boolean, more: boolean): T | undefined {
    const value = this.#read.take(buffer, ended, more);
    // The memory of a target is not shared.
    if (!Buffer.isBuffer(value) || this.target !== null) return value;
    return copyOf(value, 0, value.length) as T & Buffer;
  }
}

const OFTEN_SEARCHED = 65_536;

/** Most bytes that are allocated at once. A larger result grows: a length in a header is not trusted. */
const LARGEST_TARGET = 1024 * 1024;

let lastCount = 1;
let lastPartial = false;
let last: Read<Buffer> = new ReadBytes(lastCount, lastPartial);
