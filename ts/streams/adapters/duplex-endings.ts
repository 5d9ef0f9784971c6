/** How an `IOStreamDuplex` ends: errors, `'close'` and late writes as `net.Socket` has them. */
import { Duplex } from 'node:stream';
import { StreamClosedError } from '../../support/errors.js';
import { nextTick, queueMicrotask } from '../../support/host.js';

export type WriteCallback = (error?: Error | null) => void;

/** Listens to `'end'`: from here on a write fails as on `net.Socket`. */
export function endWithPeer(this: Duplex): void {
  if (!this.allowHalfOpen) this.write = writeAfterEnd as typeof this.write;
}

/** As `net.Socket`: the peer has ended, and the writing side was ended with it. */
function writeAfterEnd(
  this: Duplex,
  chunk: unknown,
  encoding?: BufferEncoding | WriteCallback,
  callback?: WriteCallback,
): boolean {
  if (!this.writableEnded) {
    return Duplex.prototype.write.call(this, chunk, encoding as BufferEncoding, callback);
  }
  const done = typeof encoding === 'function' ? encoding : callback;
  const error = new Error('This socket has been ended by the other party');
  Object.assign(error, { code: 'EPIPE' });
  if (typeof done === 'function') nextTick(done, error);
  this.destroy(error);
  return false;
}

/**
 * As `net.Socket`, whose handle closes at the end of a turn: behind `'error'`, and behind the promises
 * and callbacks of iterations and pipelines that have failed with it.
 */
export function emitClose(duplex: Duplex, hadError: boolean): void {
  duplex.emit('close', hadError);
}

/** Calls from a promise's reaction: what a listener throws is an uncaught exception, as in Node. */
export function guard<A extends unknown[]>(call: (...args: A) => unknown, ...args: A): void {
  try {
    call(...args);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

/**
 * `ECONNRESET` and the like, which users of Node's streams expect; `null` when the program has
 * closed the stream, or its loop: that destroys without an error, as `socket.destroy()` does.
 */
export function reasonOf(error: Error): Error | null {
  const reason = error instanceof StreamClosedError ? error.realError : error;
  return (reason as { code?: unknown } | null)?.code === 'ERR_IOLOOP_CLOSED' ? null : reason;
}
