/** Writes values for another thread; `value-layout.ts` has the layout. */
import { types } from 'node:util';
import type { DefaultSerializer } from 'node:v8';
import { nodeV8 } from '../support/builtins.js';
import { notCloneable } from '../support/errors.js';
import { CLONED, COMPACT, NUMBER, PREFIX, Tag, type Room } from './value-layout.js';
import { weigh } from './value-weight.js';
import { WORD, WrittenShapes, type Shape } from './value-shapes.js';

/** Result of a list that is not compact, or has no room. */
export const FAILED = -1;
const OTHER_SHAPE = -2;

/** Bytes of a list, at most. */
const LONGEST = 1 << 30;
/** Objects of a compact list, at most: each is compared with those before. */
const MOST_OBJECTS = 24;
/** Of {@link ValueWriter.#missCount}. Without a bound, each level of nesting may double the time. */
const MOST_MISSES = 4;

const { getPrototypeOf, prototype: plain } = Object;
const { hasOwnProperty: isOwn } = plain;

/** Writes lists of values. One for each thread. */
export class ValueWriter {
  readonly #shapes = new WrittenShapes(Tag.Object);
  /** The objects of the list. One that is twice in it is for structured clone, which keeps that. */
  readonly #seen: (object | null)[] = Array<null>(MOST_OBJECTS).fill(null);
  #seenCount = 0;
  /** Objects of the list that were written twice, with those in them. */
  #missCount = 0;
  /** A getter of a value, which this runs, has called for another list. */
  #isWriting = false;
  /** Why {@link clone} has returned `null`. */
  cause: unknown = null;
  #bytes: Buffer = Buffer.alloc(0);
  #view: DataView = new DataView(new ArrayBuffer(0));
  #limit = 0;

  /**
   * Writes a compact list to a room, from `at` on and not to `limit`. The position after it, or
   * {@link FAILED}.
   */
  write(values: readonly unknown[], room: Room, at: number, limit: number): number {
    if (this.#isWriting || at >= limit) return FAILED;
    this.#bytes = room.bytes;
    this.#view = room.view;
    this.#limit = limit;
    room.bytes[at] = COMPACT;
    const end = this.#putList(values, at + 1);
    this.#forget(0);
    return end;
  }

  /**
   * A list that is not compact, by structured clone; `null` if the list has what `v8.serialize()`
   * refuses.
   *
   * @throws `ERR_IOLOOP_NOT_CLONEABLE`: it is too long.
   */
  clone(values: readonly unknown[]): Buffer | null {
    let cloned: Buffer;
    try {
      cloned = serialized(values);
    } catch (error) {
      this.cause = error;
      return null;
    }
    if (cloned.length > LONGEST) throw notCloneable(new RangeError('it has more than a GiB'));
    const bytes = Buffer.allocUnsafeSlow(1 + cloned.length);
    bytes[0] = CLONED;
    bytes.set(cloned, 1);
    return bytes;
  }

  #putList(values: readonly unknown[], at: number): number {
    this.#missCount = 0;
    let end = at;
    for (let index = 0; index < values.length; index += 1) {
      const value = values[index];
      end =
        typeof value === 'object' && value !== null
          ? this.#putGuarded(value, end)
          : this.#putPrimitive(value, end);
      if (end === FAILED) return FAILED;
    }
    return end;
  }

  /** User code may run in it: getters of the value. What they throw is thrown by {@link clone} again. */
  #putGuarded(value: object, at: number): number {
    this.#isWriting = true;
    try {
      return this.#putObject(value, at);
    } catch {
      return FAILED;
    } finally {
      this.#isWriting = false;
    }
  }

  #put(value: unknown, at: number): number {
    return typeof value === 'object' && value !== null
      ? this.#putObject(value, at)
      : this.#putPrimitive(value, at);
  }

  #putPrimitive(value: unknown, at: number): number {
    if (at > this.#limit - NUMBER) return FAILED;
    switch (typeof value) {
      case 'number':
        this.#bytes[at] = Tag.Number;
        this.#view.setFloat64(at + 1, value, true);
        return at + NUMBER;
      case 'string':
        return this.#putText(value, at);
      case 'boolean':
        this.#bytes[at] = value ? Tag.True : Tag.False;
        return at + 1;
      case 'undefined':
        this.#bytes[at] = Tag.Undefined;
        return at + 1;
      case 'object':
        this.#bytes[at] = Tag.Null;
        return at + 1;
      default:
        return FAILED;
    }
  }

  #putText(text: string, at: number): number {
    const { length } = text;
    const start = at + PREFIX;
    if (start + 2 * length > this.#limit) return FAILED;
    const bytes = this.#bytes;
    for (let index = 0; index < length; index += 1) {
      const unit = text.charCodeAt(index);
      // Not as UTF-8, which has no lone surrogates.
      if (unit > 0xff) {
        return this.#prefix(Tag.Utf16, at, bytes.write(text, start, 'utf16le'));
      }
      bytes[start + index] = unit;
    }
    return this.#prefix(Tag.Latin1, at, length);
  }

  #putObject(value: object, at: number): number {
    if (at > this.#limit - NUMBER || !this.#isFirst(value)) return FAILED;
    if (Array.isArray(value)) return this.#putArray(value, at);
    // Before the prototype, which is a call of the runtime: it takes as long as two numbers do.
    if (value.constructor === Object) return this.#putPlain(value as Record<string, unknown>, at);
    const prototype: unknown = getPrototypeOf(value);
    if (prototype === plain) return this.#putPlain(value as Record<string, unknown>, at);
    if (value instanceof Uint8Array) return this.#putBytes(value, at);
    if (prototype === Date.prototype && types.isDate(value)) {
      this.#bytes[at] = Tag.Date;
      this.#view.setFloat64(at + 1, value.getTime(), true);
      return at + NUMBER;
    }
    if (prototype === Map.prototype && types.isMap(value)) return this.#putMap(value, at);
    if (prototype === Set.prototype && types.isSet(value)) return this.#putSet(value, at);
    return FAILED;
  }

  /** False if the object is in the list already, or too many are. */
  #isFirst(value: object): boolean {
    const seen = this.#seen;
    const count = this.#seenCount;
    if (count === MOST_OBJECTS) return false;
    for (let index = 0; index < count; index += 1) if (seen[index] === value) return false;
    seen[count] = value;
    this.#seenCount = count + 1;
    return true;
  }

  /** The first `count` objects are kept. */
  #forget(count: number): void {
    const seen = this.#seen;
    while (this.#seenCount > count) seen[(this.#seenCount -= 1)] = null;
  }

  #putPlain(value: Record<string, unknown>, at: number): number {
    const shapes = this.#shapes;
    const { last } = shapes;
    if (last !== null) {
      const seenCount = this.#seenCount;
      const end = this.#putShape(value, last.next, at);
      if (end !== OTHER_SHAPE) return end;
      if (this.#seenCount > seenCount) {
        this.#forget(seenCount);
        this.#missCount += 1;
        if (this.#missCount > MOST_MISSES) return FAILED;
      }
    }
    const shape = shapes.search(value, last);
    if (shape === null) return FAILED;
    const end = this.#putShape(value, shape, at);
    return end === OTHER_SHAPE ? FAILED : end;
  }

  /** {@link OTHER_SHAPE} if the object has other keys. */
  #putShape(value: Record<string, unknown>, shape: Shape, at: number): number {
    const { keys, encoded } = shape;
    let end = at + WORD * encoded.length;
    if (end > this.#limit) return FAILED;
    this.#shapes.last = shape;
    const view = this.#view;
    for (let index = 0; index < encoded.length; index += 1) {
      view.setInt32(at + WORD * index, encoded[index] as number, true);
    }
    let count = 0;
    // The engine has the keys and the places of the values at hand; `Object.keys()` makes an array. It
    // compiles the question for an own key to nothing.
    for (const key in value) {
      if (key !== keys[count] || !isOwn.call(value, key)) return OTHER_SHAPE;
      count += 1;
      end = this.#put(value[key], end);
      if (end === FAILED) return FAILED;
    }
    if (count !== keys.length) return OTHER_SHAPE;
    // A map, an error and the like, of which the prototype was replaced, have no keys.
    return count === 0 && getPrototypeOf(value) !== plain ? FAILED : end;
  }

  /** Holes and further properties are for structured clone. Keys that are indices come first. */
  #putArray(value: readonly unknown[], at: number): number {
    const { length } = value;
    if (length > this.#limit - at) return FAILED;
    const keys = Object.keys(value);
    if (keys.length !== length) return FAILED;
    if (length > 0 && keys[length - 1] !== String(length - 1)) return FAILED;
    let end = this.#prefix(Tag.Array, at, length) - length;
    for (let index = 0; index < length && end !== FAILED; index += 1) {
      end = this.#put(value[index], end);
    }
    return end;
  }

  #putSet(value: ReadonlySet<unknown>, at: number): number {
    const { size } = value;
    let end = this.#prefix(Tag.Set, at, size) - size;
    let count = 0;
    for (const element of value) {
      end = this.#put(element, end);
      if (end === FAILED) break;
      count += 1;
    }
    // Not equal if a getter has changed the set.
    return count === size ? end : FAILED;
  }

  #putMap(value: ReadonlyMap<unknown, unknown>, at: number): number {
    const { size } = value;
    let end = this.#prefix(Tag.Map, at, size) - size;
    let count = 0;
    for (const [key, element] of value) {
      end = this.#put(key, end);
      if (end !== FAILED) end = this.#put(element, end);
      if (end === FAILED) break;
      count += 1;
    }
    // As of a set.
    return count === size ? end : FAILED;
  }

  #putBytes(value: Uint8Array, at: number): number {
    const isBuffer = value.constructor === Buffer;
    // An object of a subclass, and shared memory, are for structured clone.
    if (!isBuffer && value.constructor !== Uint8Array) return FAILED;
    if (value.buffer instanceof SharedArrayBuffer) return FAILED;
    const { length } = value;
    if (at + PREFIX + length > this.#limit) return FAILED;
    this.#bytes.set(value, at + PREFIX);
    return this.#prefix(isBuffer ? Tag.Buffer : Tag.Bytes, at, length);
  }

  /** The position after a text or buffer of this length, of which the bytes are written. */
  #prefix(tag: Tag, at: number, length: number): number {
    this.#bytes[at] = tag;
    this.#view.setUint32(at + 1, length, true);
    return at + PREFIX + length;
  }
}

/**
 * `undefined` until a list was serialised; `null` in Bun, which has the function of `node:v8` and not
 * the class.
 */
let Serializer: (new () => DefaultSerializer) | null | undefined;

function serialized(values: readonly unknown[]): Buffer {
  if (Serializer === undefined) Serializer = serializerClass();
  if (Serializer === null) {
    if (weigh(values).hasShared) throw new TypeError('shared memory');
    return nodeV8().serialize(values);
  }
  const serializer = new Serializer();
  serializer.writeHeader();
  serializer.writeValue(values);
  return serializer.releaseBuffer();
}

/** Serialises as `v8.serialize()`, which copies views of shared memory: they are refused. */
function serializerClass(): (new () => DefaultSerializer) | null {
  const { DefaultSerializer: Base } = nodeV8();
  try {
    new Base().writeHeader();
  } catch {
    return null;
  }
  // Declared nowhere, and documented.
  const { _writeHostObject: write } = Base.prototype as unknown as {
    _writeHostObject(object: ArrayBufferView): void;
  };
  return class extends Base {
    /** @throws for a view of shared memory, which the other thread is to have itself. */
    _writeHostObject(object: ArrayBufferView): void {
      if (object.buffer instanceof SharedArrayBuffer) throw new TypeError('shared memory');
      write.call(this, object);
    }
  };
}
