/** A queue with amortised constant cost. */

/** First in, first out. */
export class Fifo<T> {
  readonly #items: (T | undefined)[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  /** The item at `index` from the front. */
  at(index: number): T | undefined {
    return this.#items[this.#head + index];
  }

  last(): T | undefined {
    return this.length > 0 ? this.#items[this.#items.length - 1] : undefined;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  /** Inserts an item at the front. Rarely used: its cost is linear. */
  unshift(item: T): void {
    this.#items.splice(0, this.#head, item);
    this.#head = 0;
  }

  /** Removes the first item. */
  shift(): void {
    if (this.length === 0) return;
    this.#items[this.#head] = undefined;
    this.#head += 1;
    if (this.#head === this.#items.length) this.clear();
    // Moves at most as many items as were removed.
    else if (this.#head >= MOVE && 2 * this.#head >= this.#items.length) {
      this.#items.splice(0, this.#head);
      this.#head = 0;
    }
  }

  clear(): void {
    this.#items.length = 0;
    this.#head = 0;
  }
}

/** Fewer empty places at the front than this are left. */
const MOVE = 32;
