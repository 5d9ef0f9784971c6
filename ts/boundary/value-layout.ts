/**
 * Values that cross to another thread, as bytes. A list of values is compact if it has only the kinds
 * of the table, each once, and is small; its result at the other side is as of structured clone, but a
 * `Buffer` stays one. Otherwise it is serialised as a whole by `node:v8`.
 *
 * | Byte 0 | The bytes after it |
 * | --- | --- |
 * | `COMPACT` | values: a tag and what belongs to it, to the end |
 * | `CLONED` | the output of `v8.serialize` |
 * | `CARRIED` | the number of a message and the id of its carrier, two `f64` |
 *
 * | Tag | Followed by |
 * | --- | --- |
 * | `Undefined`, `Null`, `False`, `True` | nothing |
 * | `Number`, `Date` | an `f64` |
 * | `Latin1`, `Utf16` | the number of bytes, `u32`, and the text |
 * | `Bytes`, `Buffer` | the number of bytes, `u32`, and the bytes |
 * | `Array`, `Set`, `Map` | the number of elements or entries, `u32`, and the values |
 * | `Object` | the keys: their hash, `u32`, and a list of them; and the values |
 *
 * All are little-endian. `value-shapes.ts` has the list of keys.
 */

export const COMPACT = 0;
export const CLONED = 1;
export const CARRIED = 2;

export const enum Tag {
  Undefined,
  Null,
  False,
  True,
  Number,
  Latin1,
  Utf16,
  Bytes,
  Buffer,
  Array,
  Object,
  Date,
  Set,
  Map,
}

/** Bytes of a list that is carried. */
export const CARRIED_BYTES = 17;
/** Bytes of a compact list, at most. */
export const COMPACT_BYTES = 8 * 1024;
/** Bytes before those of a text, a buffer or elements: the tag, the length. */
export const PREFIX = 5;
/** Bytes of a number: the tag, the `f64`. */
export const NUMBER = 9;

/** Memory that values are written to, or read from. */
export interface Room {
  readonly bytes: Buffer;
  readonly view: DataView;
}

/** A room of this thread. */
export function newRoom(length: number): Room {
  return roomOf(Buffer.allocUnsafeSlow(length));
}

export function roomOf(bytes: Buffer): Room {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length) };
}
