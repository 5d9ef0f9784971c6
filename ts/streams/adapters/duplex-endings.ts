/** The end of an `IOStreamDuplex`: errors, `'close'` and late writes, as on `net.Socket`. */
import { Duplex } from 'node:stream';
import { StreamClosedError } from '../../support/errors.js';
import { nextTick, queueMicrotask } from '../../support/host.js';

export type WriteCallback = (error?: Error | null) => void;

/** The listener of `'end'`: later writes fail as on `net.Socket`. */
export function endWithPeer(this: Duplex): void {
  if (!this.allowHalfOpen) this.write = writeAfterEnd as typeof this.write;
}

/** `write()` after EOF has ended the writing side, with the error of `net.Socket`. */
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
 * As `net.Socket`, whose handle closes at the end of a turn: after `'error'`, and after the
 * promises and callbacks of iterations and pipelines that have failed with it.
 */
export function emitClose(duplex: Duplex, hadError: boolean): void {
  duplex.emit('close', hadError);
}

/** Calls from a promise reaction: an exception of a listener is uncaught, as in Node. */
export function guard<A extends unknown[]>(call: (...args: A) => unknown, ...args: A): void {
  try {
    call(...args);
  } catch (error) {
    throwLater(error);
  }
}

/** An exception of a listener is uncaught, and ends nothing else. */
export function throwLater(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

/**
 * The system error, such as `ECONNRESET`, that users of Node's streams expect. `null` if the
 * program closed the stream or its loop, which destroys without an error, as `socket.destroy()`
 * does.
 */
export function reasonOf(error: Error): Error | null {
  const reason = error instanceof StreamClosedError ? error.realError : error;
  return (reason as { code?: unknown } | null)?.code === 'ERR_IOLOOP_CLOSED' ? null : reason;
}
