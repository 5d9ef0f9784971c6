/** Protocols that borrow their chunks, for tests: small rooms, and chunks that are kept all the same. */
import { ownSockets } from './sockets-of.js';

/** Rooms are full after a few chunks: those of `node:net` have 64 KiB, which a room has to hold. */
const borrowedRoom = ownSockets ? 20_000 : 80_000;

/** Capacities with which large chunks, that are borrowed, are larger than what a batch copies. */
export const SMALL_ROOM = { receiveBytes: 16, borrowedRoom };

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
