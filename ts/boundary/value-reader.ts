/** Reads the values of another thread; `value-layout.ts` has the layout. */
import { nodeV8 } from '../support/builtins.js';
import type { Records } from './records.js';
import { CARRIED, CLONED, NUMBER, PREFIX, Tag } from './value-layout.js';
import { ReadShapes } from './value-shapes.js';

const { fromCharCode } = String;

/** Up to this length a text is made without a crossing. */
const SHORT = 8;

/** Reads one list at a time. One for each thread. */
class ValueReader {
  readonly #shapes = new ReadShapes();
  #bytes: Buffer = Buffer.alloc(0);
  #view: DataView = new DataView(new ArrayBuffer(0));
  #at = 0;

  /** The list that a record has. */
  read(record: Records): unknown[] {
    const { bytes, view, start, end } = record;
    if (bytes[start] === CLONED) {
      // A copy: what is deserialised may be a view of the input.
      return nodeV8().deserialize(
        Uint8Array.prototype.slice.call(bytes, start + 1, end),
      ) as unknown[];
    }
    this.#bytes = bytes;
    this.#view = view;
    this.#at = start + 1;
    const values: unknown[] = [];
    while (this.#at < end) values.push(this.#next());
    return values;
  }

  #next(): unknown {
    const at = this.#at;
    const tag = this.#bytes[at] as Tag;
    if (tag === Tag.Number) {
      this.#at = at + NUMBER;
      return this.#view.getFloat64(at + 1, true);
    }
    if (tag < Tag.Number) {
      this.#at = at + 1;
      return constant(tag);
    }
    if (tag <= Tag.Buffer) {
      const from = at + PREFIX;
      const to = (this.#at = from + this.#view.getUint32(at + 1, true));
      return pieceOf(this.#bytes, tag, from, to);
    }
    if (tag === Tag.Object) return this.#object(at);
    if (tag === Tag.Date) {
      this.#at = at + NUMBER;
      return new Date(this.#view.getFloat64(at + 1, true));
    }
    this.#at = at + PREFIX;
    return this.#collection(tag, this.#view.getUint32(at + 1, true));
  }

  #object(at: number): Record<string, unknown> {
    const { keys, length } = this.#shapes.find(this.#view, at);
    this.#at = at + length;
    const result: Record<string, unknown> = {};
    for (let index = 0; index < keys.length; index += 1) {
      result[keys[index] as string] = this.#next();
    }
    return result;
  }

  /** A push makes room for 17 elements. */
  #array(length: number): unknown[] {
    if (length === 1) return [this.#next()];
    if (length === 2) return [this.#next(), this.#next()];
    if (length === 3) return [this.#next(), this.#next(), this.#next()];
    const array: unknown[] = [];
    for (let left = length; left > 0; left -= 1) array.push(this.#next());
    return array;
  }

  #collection(tag: Tag, length: number): unknown {
    if (tag === Tag.Array) return this.#array(length);
    if (tag === Tag.Set) {
      const set = new Set();
      for (let left = length; left > 0; left -= 1) set.add(this.#next());
      return set;
    }
    const map = new Map();
    for (let left = length; left > 0; left -= 1) map.set(this.#next(), this.#next());
    return map;
  }
}

const reader = new ValueReader();

/** The message that has the list of a record; `null` if the record has it. */
export function carriedBy({ bytes, view, start }: Records): Carried | null {
  if (bytes[start] !== CARRIED) return null;
  return { number: view.getFloat64(start + 1, true), carrier: view.getFloat64(start + 9, true) };
}

/** A message of a carrier. */
export interface Carried {
  readonly number: number;
  readonly carrier: number;
}

/** The list that a record has. */
export function readValues(record: Records): unknown[] {
  return reader.read(record);
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
      return to - from <= SHORT ? shortText(bytes, from, to) : bytes.toString('latin1', from, to);
    case Tag.Utf16:
      return bytes.toString('utf16le', from, to);
    case Tag.Bytes:
      return new Uint8Array(bytes.subarray(from, to));
    default:
      return Buffer.from(bytes.subarray(from, to));
  }
}

/** By one call for each length: one for each character would make a string for each. */
function shortText(bytes: Buffer, at: number, to: number): string {
  const a = bytes[at] as number;
  const b = bytes[at + 1] as number;
  const c = bytes[at + 2] as number;
  const d = bytes[at + 3] as number;
  const length = to - at;
  if (length <= 4) {
    if (length === 1) return fromCharCode(a);
    if (length === 2) return fromCharCode(a, b);
    if (length === 3) return fromCharCode(a, b, c);
    return length === 0 ? '' : fromCharCode(a, b, c, d);
  }
  const e = bytes[at + 4] as number;
  const f = bytes[at + 5] as number;
  const g = bytes[at + 6] as number;
  const h = bytes[at + 7] as number;
  if (length === 5) return fromCharCode(a, b, c, d, e);
  if (length === 6) return fromCharCode(a, b, c, d, e, f);
  if (length === 7) return fromCharCode(a, b, c, d, e, f, g);
  return fromCharCode(a, b, c, d, e, f, g, h);
}
