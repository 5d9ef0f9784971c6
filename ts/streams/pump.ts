/** `pump()`: joins two streams. */
import { leavePipes, usePipes } from '../boundary/pipes.js';
import type { IOLoop } from '../loop/ioloop.js';
import type { Timeout } from '../loop/timeouts.js';
import { Wait, type WaitOptions } from '../loop/wait.js';
import { checkBoolean, checkOptions } from '../support/checks.js';
import { Deferred } from '../support/deferred.js';
import { secondsOf, type Duration } from '../support/duration.js';
import {
  alreadyReading,
  invalidArgType,
  invalidArgValue,
  streamBusy,
  TimeoutError,
  toError,
} from '../support/errors.js';
import { IOStream } from './iostream.js';
import type { Watch, Watcher } from './ownership.js';
import { Relay } from './relay.js';
import { coreOf, type Stream } from './stream.js';

/** Bytes that a {@link pump} has moved: those that the kernel, or TLS, has taken. */
export interface PumpCounts {
  /** From the first stream to the second. */
  forward: number;
  /** From the second stream to the first. */
  back: number;
}

/** Options of {@link pump}. */
export interface PumpOptions extends WaitOptions {
  /** `both` ways, which is the default, or only `forward`, from the first stream to the second. */
  readonly direction?: 'both' | 'forward' | undefined;
  /**
   * Carry ends over, which is the default: EOF of one stream ends the writing side of the other, and
   * a pump that fails or is aborted closes both streams. If false, EOF ends its direction, and the pump
   * shuts down and closes nothing.
   */
  readonly end?: boolean | undefined;
  /**
   * The pump fails with a `TimeoutError` when no byte has moved in either direction for so many
   * seconds, up to twice as many. By default unlimited.
   */
  readonly idleTimeout?: number | Duration | undefined;
  /**
   * Counts here too, while the pump runs and when it fails: up to date by a tenth of a second. Its members
   * are set to 0 first.
   */
  readonly counts?: PumpCounts | undefined;
}

/**
 * Joins two streams: what is read from one is written to the other, beginning with the unread bytes.
 * Resolves to the byte counts when both directions have ended; with `end`, both streams are closed
 * then.
 *
 * Between two sockets of Linux, large chunks move within the kernel, by `splice(2)`. If both streams have
 * one loop, a flow of them needs no call of JavaScript. All others pass memory. In each direction one chunk
 * is on its way, of up to about 256 KiB: a reader that stalls stops the sender. Pumps yield to the rest of their loop: each direction that passes memory after 256 KiB,
 * or 512 KiB of bytes that were unread before; the others after 4 MiB together, or 256 KiB each if they
 * are many.
 *
 * EOF is carried over as a half-close, also by a stream without `allowHalfOpen`. A failure is carried
 * over as a failure: the other stream is closed by a reset, or over TLS without `close_notify`, so
 * that its peer does not take a part for the whole.
 *
 * While it runs, other reads of its sources fail with `ERR_IOLOOP_READING`; other writes are sent
 * between its chunks.
 *
 * Rejects, and leaves both streams alone, with `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, also
 * for one stream in both directions; `ERR_IOLOOP_STREAM_BUSY` if a stream is not connected, or after
 * `toDuplex()` and `toWeb()`; `ERR_IOLOOP_READING` while a read waits; a {@link StreamClosedError} if
 * it cannot be written to. Later it rejects with the {@link StreamClosedError} of the stream that has
 * failed, a `TimeoutError`, or the reason of the signal.
 *
 * ```js
 * const server = new TCPServer({
 *   allowHalfOpen: true,
 *   async handleStream(client) {
 *     await pump(client, await new TCPClient().connect('db.internal', 5432));
 *   },
 * });
 * ```
 */
export async function pump(
  first: IOStream,
  second: IOStream,
  options?: PumpOptions,
): Promise<PumpCounts> {
  const [near, far] = [streamOf('first', first), streamOf('second', second)];
  const settings = pumpSettings(options);
  if (near === far && settings.isBoth) {
    throw invalidArgValue('second', second, "another stream, or with direction: 'forward'");
  }
  return await new Pump(near, far, settings).done;
}

/** The options, checked. */
interface PumpSettings {
  readonly limits: WaitOptions;
  readonly isBoth: boolean;
  readonly end: boolean;
  /** Seconds; `Infinity` without a limit. */
  readonly idle: number;
  readonly counts: PumpCounts;
}

/**
 * Moving, until it is settled: by the end of its last relay, or by the first failure of a relay, of a
 * stream, or of a limit. Then it leaves the streams.
 */
class Pump implements Watcher<Stream> {
  readonly #loop: IOLoop;
  readonly #streams: readonly Stream[];
  readonly #relays: readonly Relay[];
  readonly #settings: PumpSettings;
  readonly #result = new Deferred<PumpCounts>();
  readonly #wait: Wait;
  /** What the streams had before, in their order. */
  readonly #watches: readonly (Watch | null)[];
  readonly #halfOpen: readonly boolean[];
  #idle: Timeout | null = null;
  /** Relays that are not done; 0 when settled. */
  #left: number;

  /** @throws If it cannot begin. */
  constructor(near: Stream, far: Stream, settings: PumpSettings) {
    const { counts, isBoth, end } = settings;
    const forward = new Relay(near, far, end, (count) => (counts.forward += count));
    const back = new Relay(far, near, end, (count) => (counts.back += count));
    this.#loop = near.loop;
    this.#settings = settings;
    this.#streams = [...new Set([near, far])];
    this.#relays = isBoth ? [forward, back] : [forward];
    for (const { from, to } of this.#relays) assertFree(from, to);
    this.#wait = new Wait(this.#loop, settings.limits, 'pump()', (error) => {
      this.#fail(error);
    });
    counts.forward = counts.back = 0;
    this.#left = this.#relays.length;
    this.#halfOpen = this.#streams.map((stream) => stream.allowHalfOpen);
    this.#watches = this.#streams.map((stream) =>
      stream.exchangeWatch({ watcher: this as Watcher<unknown>, watched: stream }),
    );
    this.#begin();
  }

  get done(): Promise<PumpCounts> {
    return this.#result.promise;
  }

  /** A stream of the pump is closed: no failure, if nothing is to be read from it or written to it. */
  onClosed(stream: Stream): void {
    const watch = this.#watchOf(stream);
    watch?.watcher.onClosed(watch.watched);
    const isOver = this.#relays.every(
      ({ from, to, ended }) => (from !== stream || from.reader.ended) && (to !== stream || ended),
    );
    if (stream.error !== null || !isOver) this.#fail(stream.closedError());
  }

  /** The next write fails. */
  onReplaced(stream: Stream, next: unknown): void {
    const watch = this.#watchOf(stream);
    watch?.watcher.onReplaced?.(watch.watched, next);
  }

  #begin(): void {
    usePipes();
    // Otherwise the end of one direction would end the other one too.
    for (const stream of this.#streams) stream.allowHalfOpen = true;
    if (this.#settings.idle !== Infinity) this.#watchIdle();
    for (const relay of this.#relays) void this.#run(relay);
  }

  async #run(relay: Relay): Promise<void> {
    try {
      await relay.run();
    } catch (error) {
      this.#fail(error);
    }
    if (this.#left === 0) return;
    this.#left -= 1;
    if (this.#left > 0) return;
    this.#leave();
    this.#result.resolve(this.#settings.counts);
  }

  #fail(error: unknown): void {
    if (this.#left === 0) return;
    this.#left = 0;
    for (const relay of this.#relays) relay.stop(error);
    this.#leave();
    if (this.#settings.end) for (const stream of this.#streams) stream.cut(toError(error));
    this.#result.reject(error);
  }

  #leave(): void {
    leavePipes();
    this.#wait.done();
    if (this.#idle !== null) this.#loop.removeTimeout(this.#idle);
    for (const [index, stream] of this.#streams.entries()) {
      stream.allowHalfOpen = this.#halfOpen[index] === true;
      if (!stream.closed) stream.exchangeWatch(this.#watches[index] ?? null);
    }
  }

  /** Looks after each period whether anything has moved, also of a chunk that is on its way. */
  #watchIdle(): void {
    const { idle } = this.#settings;
    const before = this.#moved();
    // A setter of the counts may have ended it.
    if (this.#left === 0) return;
    this.#idle = this.#loop.callLater(idle, () => {
      if (this.#moved() !== before) this.#watchIdle();
      else this.#fail(new TimeoutError(`pump() was idle for ${idle} seconds`));
    });
  }

  #moved(): number {
    for (const relay of this.#relays) relay.announce();
    const { forward, back } = this.#settings.counts;
    return this.#streams.reduce((sum, { unsent }) => sum - unsent, forward + back);
  }

  #watchOf(stream: Stream): Watch | null {
    return this.#watches[this.#streams.indexOf(stream)] ?? null;
  }
}

/** @throws `ERR_IOLOOP_STREAM_BUSY`, `ERR_IOLOOP_READING`; the error of a closed stream. */
function assertFree(from: Stream, to: Stream): void {
  if (to.closed || to.isEnding || to.isWriteEnded) throw to.closedError();
  for (const stream of [from, to]) {
    if (!stream.closed && !stream.isConnected) {
      throw streamBusy('pump()', 'a stream is not connected yet');
    }
    if (stream.adapter !== null) {
      throw streamBusy('pump()', 'toDuplex() or toWeb() has taken a stream over');
    }
  }
  const { readName } = from.reader;
  if (readName !== null) throw alreadyReading(readName, 'pump');
}

/** @throws `ERR_INVALID_ARG_TYPE`. */
function streamOf(name: string, value: unknown): Stream {
  if (value instanceof IOStream) return coreOf(value);
  throw invalidArgType(name, value, 'an IOStream');
}

/** @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`. */
function pumpSettings(options: PumpOptions = {}): PumpSettings {
  checkOptions(options);
  const { direction = 'both', end, idleTimeout, timeout, signal, counts } = options;
  if (direction !== 'both' && direction !== 'forward') {
    throw invalidArgValue('direction', direction, "'both' or 'forward'");
  }
  if (counts !== undefined && (typeof counts !== 'object' || (counts as unknown) === null)) {
    throw invalidArgType('counts', counts, 'an object');
  }
  return {
    limits: { timeout, signal },
    isBoth: direction === 'both',
    end: checkBoolean('end', end, true),
    idle: idleTimeout === undefined ? Infinity : secondsOf(idleTimeout, 'idleTimeout'),
    counts: counts ?? { forward: 0, back: 0 },
  };
}
