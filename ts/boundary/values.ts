/**
 * Values that cross to another thread, as bytes. A list is compact if it has only numbers, strings,
 * booleans, `null`, `undefined`, `Buffer`s and `Uint8Array`s, and {@link ROOM} suffices for it.
 * Otherwise it is serialised as a whole by `node:v8`, as structured clone does.
 *
 * | Byte 0 | The bytes after it |
 * | --- | --- |
 * | {@link COMPACT} | values: a tag and what belongs to it, to the end |
 * | {@link CLONED} | the output of `v8.serialize` |
 *
 * | Tag | Followed by |
 * | --- | --- |
 * | `Undefined`, `Null`, `False`, `True` | nothing |
 * | `Number` | a little-endian `f64` |
 * | `Latin1`, `Utf16` | the number of bytes, `u32`, and the text |
 * | `Bytes`, `Buffer` | the number of bytes, `u32`, and the bytes |
 */
import { deserialize, serialize } from 'node:v8';
import { notCloneable } from '../support/errors.js';
import type { Records } from './records.js';

const COMPACT = 0;
const CLONED = 1;

const enum Tag {
  Undefined,
  Null,
  False,
  True,
  Number,
  Latin1,
  Utf16,
  Bytes,
  Buffer,
}

/** Bytes of a compact list. */
const ROOM = 8 * 1024;
/** Bytes before those of a text or a buffer: the tag, the length. */
const PREFIX = 5;
/** Bytes of a number: the tag, the `f64`. */
const NUMBER = 9;
/** Result of a value that is not compact, or has no room. */
const FAILED = -1;

/** Writes one list at a time. The bytes are valid until the next one. */
export class ValueWriter {
  readonly #room = Buffer.allocUnsafeSlow(ROOM);
  readonly #view = new DataView(this.#room.buffer, this.#room.byteOffset, ROOM);
  bytes = this.#room;
  length = 0;

  /** @throws `ERR_IOLOOP_NOT_CLONEABLE`. */
  write(values: readonly unknown[]): void {
    let at = 1;
    for (const value of values) {
      at = this.#put(value, at);
      if (at === FAILED) {
        this.#clone(values);
        return;
      }
    }
    this.#room[0] = COMPACT;
    this.bytes = this.#room;
    this.length = at;
  }

  /** The position after the value, or {@link FAILED}. */
  #put(value: unknown, at: number): number {
    if (at > ROOM - NUMBER) return FAILED;
    switch (typeof value) {
      case 'number':
        this.#room[at] = Tag.Number;
        this.#view.setFloat64(at + 1, value, true);
        return at + NUMBER;
      case 'string':
        return this.#putText(value, at);
      case 'boolean':
        this.#room[at] = value ? Tag.True : Tag.False;
        return at + 1;
      case 'undefined':
        this.#room[at] = Tag.Undefined;
        return at + 1;
      case 'object':
        return value === null || value instanceof Uint8Array ? this.#putBytes(value, at) : FAILED;
      default:
        return FAILED;
    }
  }

  #putText(text: string, at: number): number {
    const { length } = text;
    const start = at + PREFIX;
    if (start + 2 * length > ROOM) return FAILED;
    const room = this.#room;
    for (let index = 0; index < length; index += 1) {
      const unit = text.charCodeAt(index);
      // Not as UTF-8, which has no lone surrogates.
      if (unit > 0xff) {
        return this.#prefix(Tag.Utf16, at, room.write(text, start, 'utf16le'));
      }
      room[start + index] = unit;
    }
    return this.#prefix(Tag.Latin1, at, length);
  }

  #putBytes(value: Uint8Array | null, at: number): number {
    if (value === null) {
      this.#room[at] = Tag.Null;
      return at + 1;
    }
    const isBuffer = value.constructor === Buffer;
    // An object of a subclass, and shared memory, are for structured clone.
    if (!isBuffer && value.constructor !== Uint8Array) return FAILED;
    const { length } = value;
    if (at + PREFIX + length > ROOM) return FAILED;
    this.#room.set(value, at + PREFIX);
    return this.#prefix(isBuffer ? Tag.Buffer : Tag.Bytes, at, length);
  }

  #prefix(tag: Tag, at: number, length: number): number {
    this.#room[at] = tag;
    this.#view.setUint32(at + 1, length, true);
    return at + PREFIX + length;
  }

  #clone(values: readonly unknown[]): void {
    let cloned: Buffer;
    try {
      cloned = serialize(values);
    } catch (error) {
      throw notCloneable(error);
    }
    const bytes = Buffer.allocUnsafeSlow(1 + cloned.length);
    bytes[0] = CLONED;
    bytes.set(cloned, 1);
    this.bytes = bytes;
    this.length = bytes.length;
  }
}

/** The list that a record has. */
export function readValues(record: Records): unknown[] {
  const { bytes, view, start, end } = record;
  if (bytes[start] === CLONED) {
    // A copy: what is deserialised may be a view of the input.
    return deserialize(Uint8Array.prototype.slice.call(bytes, start + 1, end)) as unknown[];
  }
  const values: unknown[] = [];
  let at = start + 1;
  while (at < end) {
    const tag = bytes[at] as Tag;
    if (tag === Tag.Number) {
      values.push(view.getFloat64(at + 1, true));
      at += NUMBER;
    } else if (tag < Tag.Number) {
      values.push(constant(tag));
      at += 1;
    } else {
      const from = at + PREFIX;
      at = from + view.getUint32(at + 1, true);
      values.push(pieceOf(bytes, tag, from, at));
    }
  }
  return values;
}

function constant(tag: Tag): boolean | null | undefined {
  switch (tag) {
    case Tag.Null:
      return null;
    case Tag.False:
      return false;
    case Tag.True:
      return true;
    default:
      return undefined;
  }
}

function pieceOf(bytes: Buffer, tag: Tag, from: number, to: number): string | Uint8Array {
  switch (tag) {
    case Tag.Latin1:
      return bytes.toString('latin1', from, to);
    case Tag.Utf16:
      return bytes.toString('utf16le', from, to);
    case Tag.Bytes:
      return new Uint8Array(bytes.subarray(from, to));
    default:
      return Buffer.from(bytes.subarray(from, to));
  }
}
