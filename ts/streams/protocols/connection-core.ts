/** The life of a connection of a protocol: its writing side, its ends, its close. */
import { NO_MEMORY_RETRY } from '../../boundary/send-batch.js';
import type { IOLoop } from '../../loop/ioloop.js';
import { checkFunction } from '../../support/checks.js';
import { secondsOf, type Duration } from '../../support/duration.js';
import {
  outOfRange,
  streamBusy,
  streamClosed,
  systemError,
  TimeoutError,
  toError,
} from '../../support/errors.js';
import type { Data } from '../data.js';
import { refuseData } from '../end-options.js';
import type { IOStream } from '../iostream.js';
import type { Sides, Watcher } from '../ownership.js';
import { IDLE, type Transport, type Writer } from '../transport.js';
import type { Connection } from './connection.js';
import { IdleTimeout } from './idle-timeout.js';
import { Inflow, type ConnectionSettings } from './inflow.js';
import type { ProtocolCalls } from './protocol.js';

/**
 * | State       | Event                         | Next |
 * | ----------- | ----------------------------- | ---- |
 * | open        | EOF, `allowHalfOpen`          | read ended, after `end` |
 * |             | EOF                           | ending, after `end` |
 * |             | FIN is sent (`shutdownWrite`) | write ended; closed, if there is one direction only |
 * |             | `end()`                       | ending |
 * | read ended  | FIN is sent                   | closed |
 * |             | `end()`                       | ending |
 * | write ended | EOF                           | closed, after `end` |
 * |             | `end()`                       | closed |
 * | ending      | FIN is sent                   | closed |
 * | each before | a failure, `close()`          | closed: `close` follows in a later turn |
 * |             | `toStream()`                  | moved out: the stream has the transport and both sides |
 *
 * In the states open and write ended bytes are received, and given to `data`.
 */
const enum State {
  Open,
  ReadEnded,
  WriteEnded,
  Ending,
  Closed,
  MovedOut,
}

/** By {@link State}, for display. */
const STATE_NAMES = ['open', 'read ended', 'write ended', 'ending', 'closed', 'moved out'] as const;

/** A {@link Connection} without what is known of its peer. */
export abstract class ConnectionCore extends Inflow {
  #state = State.Open;
  /** While there is something to send; those of other transports, from the first write on. */
  #writer: Writer | null = null;
  /** Congestion has ended, and `drain` is to be called. */
  #isDrained = false;
  #watcher: Watcher<unknown> | null = null;
  /** The reason of state closed. While open: received bytes could not be stored. */
  #error: Error | null = null;
  /** In state moved out. */
  #stream: IOStream | null = null;

  /** @internal */
  constructor(
    settings: ConnectionSettings,
    transport: Transport,
    calls: ProtocolCalls,
    sides: Sides | null,
  ) {
    super(settings, transport, calls);
    transport.open(this);
    this.demand();
    if (sides !== null) this.#goOn(sides);
  }

  #goOn({ unread, writer }: Sides): void {
    if (writer !== null) {
      writer.owner = this;
      this.#writer = writer;
      if (writer.isEnded) this.#state = State.WriteEnded;
    }
    this.receiveFrom(unread);
  }

  /** The loop of the connection. */
  get loop(): IOLoop {
    return this.settings.loop;
  }

  /** True if the connection is closed, or goes on as a stream. */
  get closed(): boolean {
    return this.#state >= State.Closed;
  }

  /** The error that has closed the connection; `null` while it is open, and if none has. */
  get error(): Error | null {
    return this.closed ? this.#error : null;
  }

  /** True from the high watermark of unsent bytes down to the low one: `drain` follows. */
  get congested(): boolean {
    return this.#writer?.congested ?? false;
  }

  /** The number of bytes that the kernel has taken; over TLS, before encryption. */
  get bytesSent(): number {
    return this.#writer?.sent ?? this.transport.sent;
  }

  /** The number of bytes that were written and not sent. */
  get unsent(): number {
    return this.#writer?.buffered ?? this.transport.staged;
  }

  /**
   * Writes a string (as UTF-8), a typed array or a `DataView`, or a list of them. Writes of one turn
   * are sent together, one of 32 KiB and more at once. Returns true if more can be written,
   * and false above the high watermark: `drain` follows. Writing on is allowed, and takes memory. Also
   * returns false, and drops the data, if the writing side is ended or closed: a peer closes the
   * connection at any time.
   *
   * Pieces of up to 4 KiB are copied. Longer ones are sent from the caller's memory, and belong to the
   * connection from now on: do not change them until {@link unsent} is 0.
   *
   * @throws `ERR_IOLOOP_BUFFER_FULL` if `maxWriteBufferSize` would be exceeded, `ERR_INVALID_ARG_TYPE`,
   * `ERR_IOLOOP_BUFFER_DETACHED`. Nothing of the data is taken then.
   */
  write(data: Data | readonly Data[]): boolean {
    if (this.#state >= State.WriteEnded) return false;
    const { idle } = this;
    // A chunk that arrives has been noted.
    if (idle !== null && !this.isCalling) idle.touch();
    const writer = this.#writer;
    const { limits } = this.settings;
    if (writer === null && this.transport.stage(data, limits.writer.staged)) return true;
    return (writer ?? this.#makeWriter()).send(data);
  }

  /**
   * Calls `fn`, whose writes leave together. Without TLS all writes of a turn do so by themselves; with
   * it, they make fewer records. Returns the result of `fn`.
   *
   * @throws The exception of `fn`.
   */
  cork<T>(fn: (connection: this) => T): T {
    checkFunction('fn', fn);
    if (this.#state >= State.WriteEnded) return fn(this);
    const writer = this.#writer ?? this.#makeWriter();
    writer.cork();
    try {
      return fn(this);
    } finally {
      writer.uncork();
    }
  }

  /**
   * Half-close: ends the writing side after all written bytes. Bytes are received until EOF, which closes
   * the connection.
   */
  shutdownWrite(): void {
    if (this.#state < State.WriteEnded) (this.#writer ?? this.#makeWriter()).endSoon();
  }

  /**
   * Sends all written bytes, then closes the connection. No function but `close` is called any more. A
   * peer that is still sending is reset by that, and may lose them: see {@link shutdownWrite}.
   *
   * Takes no data, unlike `end()` of `net.Socket`: call `write()` before.
   *
   * @throws `ERR_INVALID_ARG_TYPE` for data and for a function. Nothing has changed then.
   */
  end(): void {
    if (arguments.length > 0) refuseData(arguments[0]);
    if (this.#state >= State.Ending) return;
    this.#state = State.Ending;
    this.transport.demand(IDLE);
    const writer = this.#writerOfUnsent();
    // With nothing to send, a peer that is gone is not a failure: over TLS it would get `close_notify`.
    const isSent = writer === null || (writer.buffered === 0 && !writer.isEnding);
    if (isSent) this.finish(null);
    else writer.endSoon();
  }

  /**
   * Closes at once, with `error` if it is given. Without an error, unsent bytes are offered to the
   * kernel once more, and what it does not take is dropped. Idempotent.
   */
  close(error: unknown = null): void {
    const reason = error === null || error === undefined ? null : toError(error);
    if (this.#stream !== null) {
      this.#stream.close(reason);
      return;
    }
    if (reason === null) this.#writerOfUnsent()?.flush();
    this.finish(reason);
  }

  /**
   * Calls `timeout` when nothing was received and nothing sent for so many seconds, or a
   * {@link Duration}; 0 and `Infinity` end it. Activity costs a store, not a timer.
   *
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`.
   */
  setTimeout(seconds: number | Duration): void {
    const period = secondsOf(seconds, 'seconds');
    if (period < 0) throw outOfRange('seconds', seconds, 'at least 0');
    this.idle = null;
    if (this.closed || period === 0 || period === Infinity) return;
    this.idle = new IdleTimeout(this.settings.loop, period, this);
  }

  /**
   * Goes on as a stream, with the bytes that are unread, and those that are unsent. In `data` the rest
   * of the chunk is what {@link unread} leaves, or the frames that follow. No function of the protocol
   * is called any more, and this object is closed. Called again, it returns the same stream.
   *
   * @throws `ERR_IOLOOP_STREAM_CLOSED`; `ERR_IOLOOP_STREAM_BUSY` after {@link end};
   * `ERR_IOLOOP_BUFFER_DETACHED` if the memory of the rest was transferred.
   */
  toStream(): IOStream {
    if (this.#stream !== null) return this.#stream;
    if (this.#state === State.Closed) throw this.closedError();
    if (this.#state === State.Ending) throw streamBusy('toStream()', 'the connection is ending');
    const unread = this.takeUnread('toStream');
    const sides = {
      unread,
      ended: this.#state === State.ReadEnded,
      writer: this.#writerOfUnsent(),
    };
    const watcher = this.#watcher;
    this.#leave(State.MovedOut);
    this.#writer = this.#watcher = null;
    this.transport.demand(IDLE);
    const { makeStream } = this.settings;
    this.#stream = makeStream(this.settings, this.transport, sides, watcher, this);
    return this.#stream;
  }

  /** For display. @internal */
  protected get stateName(): (typeof STATE_NAMES)[number] {
    return STATE_NAMES[this.#state] as (typeof STATE_NAMES)[number];
  }

  /**
   * See {@link Stream.watch}.
   *
   * @internal
   */
  watch(watcher: Watcher<unknown>): void {
    if (this.closed) watcher.onClosed(this.self);
    else this.#watcher = watcher;
  }

  // The events of the transport: the second half of `TransportEvents`.

  /** @internal */
  onPeerClosed(): void {
    if (this.isReceiving() && this.isFlowing) this.pump();
    else this.#onHangUp();
  }

  /** A reset, which no read will report. */
  #onHangUp(): void {
    const error = this.transport.takeError();
    if (error !== null) this.finish(error);
  }

  /** @internal */
  onWritable(): void {
    this.#writer?.onWritable();
  }

  /** @internal */
  onContinue(): void {
    this.#writer?.onContinue();
    if (this.#isDrained && !this.closed) this.#onRoom();
    this.pump();
  }

  #onRoom(): void {
    this.#isDrained = false;
    const { drain } = this.calls;
    // Meanwhile the program may have ended its side, or written on.
    const isOver = this.#state >= State.WriteEnded || this.#writer?.isEnding === true;
    if (drain === null || isOver || this.congested) return;
    this.settings.guard.enter(drain, this.self, undefined);
  }

  /** @internal */
  override onTickEnd(): void {
    this.#writer?.onTickEnd();
    super.onTickEnd();
  }

  /** @internal */
  onFailure(error: Error): void {
    this.finish(error);
  }

  // The events of the writer: `WriterOwner`; and of the timeout.

  /** @internal */
  onWriteError(errno: number): void {
    // After a receive got ECONNRESET, which is reported once, a send in the same turn gets EPIPE.
    const { failure } = this.transport;
    this.finish(failure < 0 ? systemError(failure, 'read') : systemError(errno, 'write'));
  }

  /** @internal */
  retryLater(retry: () => void): void {
    this.loop.callLater(NO_MEMORY_RETRY, retry);
  }

  /** @internal */
  endWriting(): Error | null {
    // The close sends FIN.
    if (this.#state === State.Ending) return null;
    try {
      this.transport.shutdownWrite();
      return null;
    } catch (error) {
      return error as Error;
    }
  }

  /** @internal */
  forgets(): boolean {
    this.#writer = null;
    return true;
  }

  /** @internal */
  onWriteEnd(): void {
    if (this.closed) return;
    if (this.#state === State.Open && this.transport.hasHalfClose) this.#state = State.WriteEnded;
    else this.finish(null);
  }

  /** @internal */
  onProgress(): void {
    this.idle?.touch();
  }

  /** @internal */
  onDrained(): void {
    this.#isDrained = true;
    this.transport.continueLater();
  }

  /** @internal */
  closedError(): Error {
    return streamClosed(this.error);
  }

  /** @internal */
  onIdle(): void {
    const { timeout } = this.calls;
    const isCalled = timeout !== null && this.#state !== State.Ending;
    if (isCalled) this.settings.guard.enter(timeout, this.self, undefined);
    else this.close(new TimeoutError('Nothing was received or sent within the timeout'));
  }

  /** @internal */
  protected get loss(): Error | null {
    return this.#error;
  }

  /** @internal */
  protected onLoss(error: Error): void {
    this.#error = error;
  }

  /** @internal */
  protected onEof(): void {
    this.#state = State.ReadEnded;
    const { end } = this.calls;
    if (end !== null) this.settings.guard.enter(end, this.self, undefined);
    if (!this.#isReadEnded()) return;
    const isOver = !this.settings.allowHalfOpen || this.#writer?.isEnded === true;
    if (isOver) this.end();
  }

  #isReadEnded(): boolean {
    return this.#state === State.ReadEnded;
  }

  /** @internal */
  protected isReceiving(): boolean {
    return this.#state === State.Open || this.#state === State.WriteEnded;
  }

  /** For the transport, whose staged bytes are not sent at once. @internal */
  get writer(): Writer {
    return this.#writer ?? this.#makeWriter();
  }

  /** The writer, if there is one, or something was staged without. */
  #writerOfUnsent(): Writer | null {
    return this.transport.staged > 0 ? this.writer : this.#writer;
  }

  #makeWriter(): Writer {
    const writer = this.transport.createWriter(this, this.settings.limits.writer);
    this.#writer = writer;
    return writer;
  }

  /**
   * Closes, from every state before. Runs no user code: `close` is called in a turn.
   *
   * @internal
   */
  protected finish(error: Error | null): void {
    if (this.closed) return;
    const watcher = this.#watcher;
    this.#error = error;
    this.#leave(State.Closed);
    this.#watcher = null;
    const { guard, io } = this.settings;
    guard.attempt(closeTransport, this.self);
    this.#writer?.close();
    if (this.calls.close !== null) io.announceClose(this);
    if (watcher !== null) guard.attempt(() => watcher.onClosed(this.self));
  }

  #leave(state: State.Closed | State.MovedOut): void {
    this.#state = state;
    this.idle = null;
    this.dropUnread();
  }

  /** @internal */
  closeTransport(): void {
    this.transport.close(this.#error);
  }

  /** @internal */
  announceClose(): void {
    const { close } = this.calls;
    if (close !== null) this.settings.guard.enter(close, this.self, this.#error);
  }
}

// A function of no connection: a close makes no closure.
function closeTransport(connection: Connection<unknown>): void {
  connection.closeTransport();
}
