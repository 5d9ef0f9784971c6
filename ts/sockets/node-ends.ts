/** How connections of `node:net` end: in resets and EOF, where Node or libuv takes one for the other. */
import { readSync } from 'node:fs';
import type { Socket as NetSocket } from 'node:net';
import { hasLibuv } from '../support/environment.js';
import { systemError } from '../support/errors.js';

/** The members of libuv's handle of a connection. */
interface Handle {
  /** Of TCP only. */
  readonly reset?: unknown;
  /** Negative, or missing, where there is none. */
  readonly fd?: number;
}

type Connection = NetSocket & {
  resetAndClosing?: boolean;
  readonly _handle?: Handle | null;
};

/**
 * Resets a connection; closes one of a Unix socket, which has no reset. `resetAndDestroy()` of Node throws
 * for one.
 */
export function resetNow(connection: NetSocket): void {
  const inner = connection as Connection;
  const { _handle: handle } = inner;
  // libuv refuses to reset while it sends FIN, and Node then leaks the descriptor. Everything is sent by
  // then: an EOF is not a cut.
  const { writableEnded, writableFinished, writableLength } = connection;
  const isEnding = writableEnded && !writableFinished && writableLength === 0;
  if (!isEnding && typeof handle?.reset === 'function') inner.resetAndClosing = true;
  connection.destroy();
}

/**
 * Reads at `'end'` what libuv has not read, and gives it to `onChunk`. Some versions of libuv (1.46 and 1.51,
 * of Node 20 and 22) take a hang-up after a short read for EOF, although it may be a reset.
 *
 * @returns The error of the connection; `null` if it is at EOF.
 */
export function readRest(connection: NetSocket, onChunk: (chunk: Buffer) => void): Error | null {
  const { _handle: handle } = connection as Connection;
  // Other runtimes have numbers of their own.
  const fd = hasLibuv() ? (handle?.fd ?? -1) : -1;
  if (fd < 0) return null;
  for (;;) {
    const chunk = Buffer.allocUnsafe(CHUNK);
    let count: number;
    try {
      count = readSync(fd, chunk);
    } catch (error) {
      const { errno } = error as NodeJS.ErrnoException;
      if (errno === undefined) throw error;
      return systemError(errno, 'read');
    }
    if (count === 0) return null;
    onChunk(chunk.subarray(0, count));
  }
}

/** Bytes of one read. Nearly always it is the only one, and finds nothing: from Node's pool. */
const CHUNK = 1024;
