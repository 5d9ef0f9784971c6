/**
 * The keys of plain objects. Objects of one shape have the same keys in the same order, as those that
 * one expression makes: their list is encoded once, and decoded once.
 *
 * | Encoded | |
 * | --- | --- |
 * | hash | `u32`, of all the bytes after it |
 * | length | `u16`, of the keys that follow |
 * | keys | of each the length, `u8`, and as many bytes of Latin-1 |
 */

/** A shape that this thread has written. */
export interface Shape {
  readonly keys: readonly string[];
  /** The tag of an object, and its encoded keys. */
  readonly encoded: Uint8Array;
  /** The shape of the object that was written after one of this, when there was one. */
  next: Shape;
}

/** Bytes of the tag, the hash and the length. */
export const SHAPE_HEADER = 7;

/** Most shapes that a thread keeps for writing, and for reading. */
const MOST_SHAPES = 512;
const LONGEST_KEY = 255;
const MOST_BYTES = 1024;

/** Objects that serve as dictionaries have a shape each, which costs more than to serialise them. */
export class WrittenShapes {
  readonly #byName = new Map<string, Shape>();
  /** What {@link find} has returned last. */
  #last: Shape | null = null;

  readonly #tag: number;

  constructor(tag: number) {
    this.#tag = tag;
  }

  /** The shape of an object; `null` if its keys cannot be encoded. */
  find(value: object): Shape | null {
    const last = this.#last;
    if (last !== null) {
      const { next } = last;
      if (hasKeys(value, next.keys)) return (this.#last = next);
    }
    return this.#search(value, last);
  }

  #search(value: object, last: Shape | null): Shape | null {
    const keys = Object.keys(value);
    const name = keys.join('\n');
    let shape = this.#byName.get(name);
    // Keys with a line feed may have the name of others.
    if (shape !== undefined && !hasKeys(value, shape.keys)) return null;
    if (shape === undefined) {
      const encoded = encode(keys, this.#tag);
      if (encoded === null) return null;
      if (this.#byName.size >= MOST_SHAPES) this.#byName.clear();
      shape = { keys, encoded } as unknown as Shape;
      shape.next = shape;
      this.#byName.set(name, shape);
    }
    if (last !== null) last.next = shape;
    return (this.#last = shape);
  }
}

/** A shape that this thread has read. */
interface ReadShape {
  readonly keys: readonly string[];
  readonly encoded: Uint8Array;
}

export class ReadShapes {
  readonly #byHash = new Map<number, ReadShape>();

  /** The keys that are encoded in `bytes` from `at` on, with `length` bytes. */
  find(bytes: Buffer, hash: number, at: number, length: number): readonly string[] {
    const known = this.#byHash.get(hash);
    if (known !== undefined && isEqual(known.encoded, bytes, at, length)) return known.keys;
    const encoded = Uint8Array.prototype.slice.call(bytes, at, at + length);
    const keys = decode(encoded);
    if (this.#byHash.size >= MOST_SHAPES) this.#byHash.clear();
    this.#byHash.set(hash, { keys, encoded });
    return keys;
  }
}

/** Whether an object has these keys, in this order, and no other. */
function hasKeys(value: object, keys: readonly string[]): boolean {
  let index = 0;
  // The engine has the list of keys at hand; `Object.keys()` would make an array.
  // oxlint-disable-next-line guard-for-in
  for (const key in value) {
    if (key !== keys[index]) return false;
    index += 1;
  }
  return index === keys.length;
}

function encode(keys: readonly string[], tag: number): Uint8Array | null {
  const bytes: number[] = [tag, 0, 0, 0, 0, 0, 0];
  for (const key of keys) {
    // An assignment to it would change the prototype.
    if (key === '__proto__' || key.length > LONGEST_KEY) return null;
    bytes.push(key.length);
    for (let index = 0; index < key.length; index += 1) {
      const unit = key.charCodeAt(index);
      if (unit > 0xff) return null;
      bytes.push(unit);
    }
  }
  if (bytes.length > MOST_BYTES) return null;
  const encoded = Uint8Array.from(bytes);
  const view = new DataView(encoded.buffer);
  view.setUint16(5, encoded.length - SHAPE_HEADER, true);
  view.setUint32(1, hashOf(encoded.subarray(SHAPE_HEADER)), true);
  return encoded;
}

function decode(encoded: Uint8Array): string[] {
  const keys: string[] = [];
  for (let at = 0; at < encoded.length;) {
    const end = at + 1 + (encoded[at] as number);
    keys.push(String.fromCharCode(...encoded.subarray(at + 1, end)));
    at = end;
  }
  return keys;
}

function isEqual(known: Uint8Array, bytes: Buffer, at: number, length: number): boolean {
  if (known.length !== length) return false;
  for (let index = 0; index < length; index += 1) {
    if (known[index] !== bytes[at + index]) return false;
  }
  return true;
}

/** FNV-1a. */
function hashOf(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
