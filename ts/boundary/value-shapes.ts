/**
 * The keys of plain objects. Objects of one shape have the same keys in the same order, as those that
 * one expression makes: their list is encoded once, and decoded once.
 *
 * | Encoded | |
 * | --- | --- |
 * | tag | `u8` |
 * | hash | `u32`, of the keys |
 * | length | `u16`, of the keys |
 * | keys | of each the length, `u8`, and as many bytes of Latin-1 |
 * | padding | zeros, to whole words of four bytes: they are copied and compared by words |
 */

/** A shape that this thread has written. */
export interface Shape {
  readonly keys: readonly string[];
  /** Little-endian words. */
  readonly encoded: readonly number[];
  /** The shape of the object that was written after one of this, when there was one. */
  next: Shape;
}

/** Bytes of the tag, the hash and the length. */
const SHAPE_HEADER = 7;
/** Bytes of a word. */
export const WORD = 4;

/** Most shapes that a thread keeps for writing, and for reading. */
const MOST_SHAPES = 512;
const LONGEST_KEY = 255;
const MOST_BYTES = 1024;

/** Objects that serve as dictionaries have a shape each, which costs more than to serialise them. */
export class WrittenShapes {
  readonly #byName = new Map<string, Shape>();
  readonly #tag: number;
  /** The shape of the last object. */
  last: Shape | null = null;

  constructor(tag: number) {
    this.#tag = tag;
  }

  /** The shape of an object that comes after `last`; `null` if its keys cannot be encoded. */
  search(value: object, last: Shape | null): Shape | null {
    const keys = Object.keys(value);
    if (keys.length > MOST_BYTES) return null;
    const name = keys.join('\n');
    let shape = this.#byName.get(name);
    // Keys with a line feed may have the name of others.
    if (shape !== undefined && !keys.every((key, index) => key === shape?.keys[index])) return null;
    if (shape === undefined) {
      const encoded = encode(keys, this.#tag);
      if (encoded === null) return null;
      if (this.#byName.size >= MOST_SHAPES) this.#byName.clear();
      shape = { keys, encoded } as unknown as Shape;
      shape.next = shape;
      this.#byName.set(name, shape);
    }
    if (last !== null) last.next = shape;
    return shape;
  }
}

/** A shape that this thread has read. */
export interface ReadShape {
  readonly keys: readonly string[];
  /** Bytes. */
  readonly length: number;
  readonly encoded: readonly number[];
  /** The shape of the object that was read after one of this, when there was one. */
  next: ReadShape;
}

export class ReadShapes {
  readonly #byHash = new Map<number, ReadShape>();
  /** What {@link find} has returned last. */
  #last: ReadShape | null = null;

  /** The shape that is encoded from `at` on. */
  find(view: DataView, at: number): ReadShape {
    const last = this.#last;
    if (last !== null) {
      const { next } = last;
      if (isEqual(next.encoded, view, at)) return (this.#last = next);
    }
    return this.#search(view, at, last);
  }

  #search(view: DataView, at: number, last: ReadShape | null): ReadShape {
    const hash = view.getUint32(at + 1, true);
    let shape = this.#byHash.get(hash);
    if (shape === undefined || !isEqual(shape.encoded, view, at)) {
      shape = decode(view, at);
      if (this.#byHash.size >= MOST_SHAPES) this.#byHash.clear();
      this.#byHash.set(hash, shape);
    }
    if (last !== null) last.next = shape;
    return (this.#last = shape);
  }
}

function encode(keys: readonly string[], tag: number): number[] | null {
  const bytes: number[] = [tag, 0, 0, 0, 0, 0, 0];
  for (const key of keys) {
    // An assignment to `__proto__` would change the prototype; one to another key of the prototype
    // fails where that is frozen.
    if (key in Object.prototype || key.length > LONGEST_KEY) return null;
    bytes.push(key.length);
    for (let index = 0; index < key.length; index += 1) {
      const unit = key.charCodeAt(index);
      if (unit > 0xff) return null;
      bytes.push(unit);
    }
  }
  if (bytes.length > MOST_BYTES) return null;
  const { length } = bytes;
  while (bytes.length % WORD !== 0) bytes.push(0);
  const encoded = Uint8Array.from(bytes);
  const view = new DataView(encoded.buffer);
  view.setUint16(5, length - SHAPE_HEADER, true);
  view.setUint32(1, hashOf(encoded.subarray(SHAPE_HEADER, length)), true);
  return wordsOf(view, 0, encoded.length);
}

function decode(view: DataView, start: number): ReadShape {
  const keys: string[] = [];
  let at = start + SHAPE_HEADER;
  const end = at + view.getUint16(start + 5, true);
  while (at < end) {
    const length = view.getUint8(at);
    let key = '';
    for (let left = length; left > 0; left -= 1) {
      at += 1;
      key += String.fromCharCode(view.getUint8(at));
    }
    keys.push(key);
    at += 1;
  }
  const length = Math.ceil((end - start) / WORD) * WORD;
  const shape = { keys, length, encoded: wordsOf(view, start, length) } as unknown as ReadShape;
  shape.next = shape;
  return shape;
}

function wordsOf(view: DataView, start: number, length: number): number[] {
  const words: number[] = [];
  for (let at = 0; at < length; at += WORD) words.push(view.getInt32(start + at, true));
  return words;
}

/** The first words have the length, so that no more are compared. */
function isEqual(known: readonly number[], view: DataView, at: number): boolean {
  if (at + WORD * known.length > view.byteLength) return false;
  for (let index = 0; index < known.length; index += 1) {
    if (known[index] !== view.getInt32(at + WORD * index, true)) return false;
  }
  return true;
}

/** FNV-1a. */
function hashOf(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
