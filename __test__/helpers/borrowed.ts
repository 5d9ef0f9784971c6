/** Protocols that borrow their chunks, for tests: small rooms, and chunks that are kept all the same. */
import type { Connection, IOStream } from 'ioloop';
import { onLoop, type ReportingLoop } from './loop.js';
import { withPushed, type Functions, type Pushed } from './protocols.js';
import { noise } from './pumps.js';
import { ownSockets } from './sockets-of.js';

/** The function `data` of a protocol. */
export type Data = (c: Connection<unknown>, chunk: Buffer) => unknown;

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

/** Runs `body` with a client of a server that borrows. */
export function borrowing<T>(
  functions: Functions<unknown>,
  body: (pushed: Pushed, loop: ReportingLoop) => Promise<T>,
  options: object = {},
): Promise<T> {
  return onLoop(
    (loop) =>
      withPushed(
        loop,
        { ...functions, chunks: 'borrowed' },
        (pushed) => body(pushed, loop),
        options,
      ),
    { capacities: SMALL_ROOM },
  );
}

/** A chunk is borrowed if the one before it filled a receive of the turn: so the next ones are. */
export async function warm(client: IOStream): Promise<void> {
  await echoed(client, noise(100));
}

/** Sends `bytes` while it reads as many. */
export async function echoed(client: IOStream, bytes: Buffer): Promise<Buffer> {
  const reading = client.readBytes(bytes.length);
  await client.write(bytes);
  return await reading;
}

/** Whether a new connection of the loop gets `bytes` back from a server that borrows. */
export function echoes(loop: ReportingLoop, bytes: Buffer): Promise<boolean> {
  const data: Data = (c, chunk) => void c.write(chunk);
  return withPushed(loop, { data, chunks: 'borrowed' }, async ({ client }) =>
    (await echoed(client, bytes)).equals(bytes),
  );
}
