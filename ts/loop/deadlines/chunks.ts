/** Values by small integers, in chunks: an array that grows by half of its length has a third unused. */

const BITS = 10;
const MASK = (1 << BITS) - 1;

/** An array that grows by one chunk at a time. */
export class Chunks<T> {
  #chunks: (T | undefined)[][] = [];

  set(index: number, value: T): void {
    this.#chunkOf(index)[index & MASK] = value;
  }

  /** The value, which must have been set. */
  get(index: number): T {
    return this.#chunks[index >> BITS]?.[index & MASK] as T;
  }

  /** Releases a value. */
  delete(index: number): void {
    this.#chunkOf(index)[index & MASK] = undefined;
  }

  clear(): void {
    this.#chunks = [];
  }

  #chunkOf(index: number): (T | undefined)[] {
    const number = index >> BITS;
    while (this.#chunks.length <= number) {
      this.#chunks.push(Array.from<T | undefined>({ length: 1 << BITS }).fill(undefined));
    }
    return this.#chunks[number] as (T | undefined)[];
  }
}
