/** Protocols that borrow their chunks, for tests: small rooms, and chunks that are kept all the same. */
import type { Capacities } from './capacities.js';

/** Rooms are full after a few chunks, which are larger than what a batch copies. */
export const SMALL_ROOM: Partial<Capacities> = { receiveBytes: 16, borrowedRoom: 20_000 };

/** Chunks that a program keeps, and the bytes that they had. */
export class Kept {
  readonly #chunks: { readonly chunk: Buffer; readonly bytes: Buffer }[] = [];

  /** Keeps a chunk for longer than its call. */
  keep(chunk: Buffer): void {
    this.#chunks.push({ chunk, bytes: Buffer.from(chunk) });
  }

  /** How many of the last chunks, by default of all, have other bytes than they had: none may. */
  overwritten(last = this.#chunks.length): number {
    return this.#last(last).filter(({ chunk, bytes }) => chunk.length > 0 && !chunk.equals(bytes))
      .length;
  }

  /** How many of the last chunks, by default of all, are empty now. */
  detached(last = this.#chunks.length): number {
    return this.#last(last).filter(({ chunk }) => chunk.length === 0).length;
  }

  /** The bytes of all chunks, as they were. */
  get bytes(): Buffer {
    return Buffer.concat(this.#chunks.map(({ bytes }) => bytes));
  }

  #last(count: number): readonly { readonly chunk: Buffer; readonly bytes: Buffer }[] {
    return this.#chunks.slice(Math.max(0, this.#chunks.length - count));
  }
}
