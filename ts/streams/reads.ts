/** The kinds of reads: when each has what it waits for, and what it takes. */
import { unsatisfiableRead } from '../support/errors.js';
import { copyOf } from '../boundary/receive-blocks.js';
import type { ReadBuffer } from './read-buffer.js';
import { ReadTarget } from './read-target.js';

/** One read of a stream, until it is done. */
export interface Read<T> {
  /** The name of the method, for messages. */
  readonly name: string;
  /**
   * Takes the result out of the buffer; `undefined` when there is not enough. `ended` says that no
   * more will come, `more` that some can be read at once.
   *
   * @throws When it can never be satisfied: `ERR_IOLOOP_UNSATISFIABLE_READ`.
   */
  take(buffer: ReadBuffer, ended: boolean, more: boolean): T | undefined;
  /** Where bytes go that need not pass through the buffer; `null` for a read of a few. */
  readonly target: ReadTarget | null;
  /** Whether the failure of the read is to carry what had arrived. */
  readonly keepsPartial: boolean;
  /** Whether the stream stays open when the read cannot be satisfied. */
  readonly sparesStream: boolean;
}

/** Above this a read fills memory of its own, in as few calls as it takes. */
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
    // A large one gets its memory at once; what no byte has come for costs no pages.
    this.target =
      !partial && count >= DIRECT_BYTES && count <= LARGEST_TARGET
        ? ReadTarget.allocate(count)
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
 * A read of `count` bytes. Small ones have no state, and programs ask for the same again and again:
 * all streams that do share one.
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

/** A read up to the end of something, which has to come within `maxBytes`. */
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
    // Not found: it ends after all there is.
    if (end >= 0 || buffer.length >= this.maxBytes) throw this.failure(this.maxBytes);
    return undefined;
  }

  /** Where what is sought ends; -1 when it is not there. */
  protected abstract findEnd(buffer: ReadBuffer): number;
  protected abstract failure(maxBytes: number): Error;
}

/** `readUntil`: up to and with a delimiter. */
export class ReadUntil extends LimitedRead {
  readonly name = 'readUntil';
  readonly #delimiter: Buffer;
  /** No delimiter begins before here: what was looked at is not looked at again. */
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

  /** Not searched before so many bytes are there, while more can be read. */
  #next = 0;

  constructor(regex: RegExp, maxBytes: number, sparesStream: boolean) {
    super(maxBytes, sparesStream);
    // `lastIndex` and stickiness do not apply: each search begins at the buffer's start.
    this.#regex = new RegExp(regex.source, regex.flags.replaceAll(/[gyd]/g, ''));
  }

  override take(buffer: ReadBuffer, ended: boolean, more: boolean): Buffer | undefined {
    const { length } = buffer;
    // Above the default limit a fast peer is not searched for each chunk.
    if (more && length < this.#next && length < this.maxBytes) return undefined;
    const taken = super.take(buffer, ended, more);
    this.#next = length <= OFTEN_SEARCHED ? 0 : length * 1.25;
    return taken;
  }

  protected override findEnd(buffer: ReadBuffer): number {
    if (buffer.length === 0) return -1;
    // One more than may match: a match that is too long is not cut.
    const match = this.#regex.exec(buffer.latin1(this.maxBytes + 1));
    return match === null ? -1 : match.index + match[0].length;
  }

  protected override failure(maxBytes: number): Error {
    return unsatisfiableRead('match for', String(this.#regex), maxBytes);
  }
}

/** `readUntilClose`: everything, when the peer has ended. */
export class ReadUntilClose implements Read<Buffer> {
  readonly name = 'readUntilClose';
  readonly target = null;
  readonly keepsPartial = true;
  readonly sparesStream = false;

  take(buffer: ReadBuffer, ended: boolean): Buffer | undefined {
    return ended ? buffer.take(buffer.length) : undefined;
  }
}

/** `peek`: at least `count` bytes, which stay. */
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
    // A copy: the bytes are read later, and belong to that reader.
    return buffer.length >= this.#count ? buffer.copy(this.#count) : undefined;
  }
}

/** A read whose result has memory of its own. */
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
    // What was read into a target is not shared.
    if (!Buffer.isBuffer(value) || this.target !== null) return value;
    return copyOf(value, 0, value.length) as T & Buffer;
  }
}

const OFTEN_SEARCHED = 65_536;

/** Reserved at once; what is longer grows as it comes, lest a length in a header cost memory. */
const LARGEST_TARGET = 1024 * 1024;

let lastCount = 1;
let lastPartial = false;
let last: Read<Buffer> = new ReadBytes(lastCount, lastPartial);
