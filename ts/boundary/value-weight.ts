/**
 * How many bytes values take while they wait for another thread, for values that are not written to
 * the lane: a bound needs the order of magnitude, not the byte.
 *
 * | Value | Bytes |
 * | --- | --- |
 * | a text | two for each unit |
 * | a buffer, or a view | those of the whole buffer, once |
 * | shared memory, a port, another object of the host | none: it is not copied |
 * | any other | {@link EACH} |
 */

/** Bytes of a value beside its content, about as in a message. */
const EACH = 8;
/** Bytes that are counted at most: those of an argument of the binding. */
const MOST = 2 ** 32 - 1;

export interface Weight {
  readonly bytes: number;
  /** Shared memory is among the values. */
  readonly hasShared: boolean;
}

/** Weighs values and all that they contain. Runs no getters: what they return counts as nothing. */
export function weigh(values: readonly unknown[]): Weight {
  const scale = new Scale();
  try {
    scale.add(values);
  } catch {
    // By the trap of a proxy, which no thread can be sent: sending it is the error of the call.
  }
  return { bytes: Math.min(scale.bytes, MOST), hasShared: scale.hasShared };
}

class Scale {
  bytes = 0;
  hasShared = false;
  readonly #seen = new Set<object>();

  /** Not recursive: values may be nested deeper than the stack. */
  add(root: unknown): void {
    const left = [root];
    while (left.length > 0) {
      const value = left.pop();
      this.bytes += EACH;
      if (typeof value === 'string') this.bytes += 2 * value.length;
      else if (typeof value === 'object' && value !== null) this.#addObject(value, left);
    }
  }

  #addObject(value: object, left: unknown[]): void {
    if (this.#seen.has(value)) return;
    this.#seen.add(value);
    if (ArrayBuffer.isView(value)) {
      left.push(value.buffer);
    } else if (value instanceof ArrayBuffer) {
      this.bytes += value.byteLength;
    } else if (value instanceof SharedArrayBuffer) {
      this.hasShared = true;
    } else if (value instanceof Map) {
      for (const [key, element] of value) left.push(key, element);
    } else if (value instanceof Set) {
      for (const element of value) left.push(element);
    } else {
      if (value instanceof Error) left.push(dataOf(value, 'message'), dataOf(value, 'cause'));
      for (const key of Object.keys(value)) left.push(key, dataOf(value, key));
    }
  }
}

/** The value of a property; `undefined` if it has a getter. */
function dataOf(value: object, key: string): unknown {
  return Object.getOwnPropertyDescriptor(value, key)?.value;
}
