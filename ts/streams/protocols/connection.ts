/** `Connection`: one object for a connection whose bytes are pushed to a protocol. */
import type { TLSSocket } from 'node:tls';
import { constants } from 'node:os';
import type { Block } from '../../boundary/receive-blocks.js';
import type { Guard } from '../../loop/guard.js';
import type { LoopIO } from '../../loop/io.js';
import type { IOLoop } from '../../loop/ioloop.js';
import type { Address } from '../../sockets/address.js';
import type { Socket } from '../../sockets/socket.js';
import { checkFunction, checkInteger } from '../../support/checks.js';
import { secondsOf, type Duration } from '../../support/duration.js';
import {
  bufferFull,
  outOfRange,
  streamBusy,
  streamClosed,
  systemError,
  TimeoutError,
  toError,
} from '../../support/errors.js';
import { INSPECT, viewOf } from '../../support/inspect.js';
import type { Data } from '../data.js';
import type { IOStream } from '../iostream.js';
import type { StreamSettings } from '../options.js';
import type { Sides, Watcher } from '../ownership.js';
import { clientAddressOf, proxyHeaderOf, type ProxyHeader } from '../proxy-header.js';
import { NO_BYTES, releaseReadBuffer, takeReadBuffer, type ReadBuffer } from '../read-buffer.js';
import { IDLE, NOTIFY, RECEIVE } from '../transport.js';
import type { Transport, Writer } from '../transport.js';
import { IdleTimeout } from './idle-timeout.js';
import { ProtocolCalls, type Protocol } from './protocol.js';

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

/**
 * | Flow    | Bytes                 | `pause()` | `resume()` | `data` begins | `data` returns |
 * | ------- | --------------------- | --------- | ---------- | ------------- | -------------- |
 * | flowing | are given to `data`   | paused    | flowing    | calling       |                |
 * | calling | wait for its return   | pausing   | calling    |               | flowing        |
 * | pausing | wait                  | pausing   | calling    |               | paused         |
 * | paused  | wait, in the kernel   | paused    | flowing    |               |                |
 */
const enum Flow {
  Flowing,
  Calling,
  Pausing,
  Paused,
}

/** What the connections of a server share. */
export interface ConnectionSettings extends StreamSettings {
  readonly io: LoopIO;
  readonly guard: Guard;
  /** Makes the public stream on a connection: the class stands on this file. */
  readonly makeStream: MakeStream;
}

/** Makes a stream that goes on with a connection. */
export type MakeStream = (
  settings: StreamSettings,
  transport: Transport,
  sides: Sides,
  watcher: Watcher<unknown> | null,
  replaced: unknown,
) => IOStream;

/**
 * A connection of a {@link Protocol}, made by `TCPServer`, `TCPClient` and `stream.setProtocol()`.
 * There are no promises: methods return at once, and functions of the protocol report what follows.
 *
 * While nothing arrives, it is this object and its place in the table of the loop.
 */
export class Connection<State = undefined> {
  /** For the program: what `state()` of the protocol has made, by default `undefined`. */
  state: State;
  readonly #settings: ConnectionSettings;
  readonly #transport: Transport;
  #calls: ProtocolCalls;
  #state = State.Open;
  #flow = Flow.Flowing;
  /** Received bytes; {@link NO_BYTES} while there are none. */
  #buffer = NO_BYTES;
  /** Bytes of the chunk that `data` takes, while it runs: by default all. */
  #taken = 0;
  /** Bytes that `data` has left: it is called again when there are more. */
  #left = 0;
  #received = 0;
  /** Made with the first write. */
  #writer: Writer | null = null;
  /** Congestion has ended, and `drain` is to be called. */
  #isDrained = false;
  #idle: IdleTimeout | null = null;
  #watcher: Watcher<unknown> | null = null;
  /** The reason of state closed. While open: received bytes could not be stored. */
  #error: Error | null = null;
  /** In state moved out. */
  #stream: IOStream | null = null;

  /**
   * Goes on with `sides`, of a stream; `null` for a new connection. {@link begin} follows.
   *
   * @internal
   * @throws As {@link Transport.open}; the transport is not closed then.
   */
  constructor(
    settings: ConnectionSettings,
    transport: Transport,
    calls: ProtocolCalls,
    sides: Sides | null,
  ) {
    // Definite for a protocol without `state()`, whose type it is then.
    this.state = undefined as State;
    this.#settings = settings;
    this.#transport = transport;
    this.#calls = calls;
    transport.open(this);
    this.#demand();
    if (sides !== null) this.#goOn(sides);
  }

  #goOn({ unread, writer }: Sides): void {
    if (unread.length > 0) this.#filled().own(unread);
    if (writer !== null) {
      writer.owner = this;
      this.#writer = writer;
      if (writer.isEnded) this.#state = State.WriteEnded;
    }
    if (unread.length > 0 || this.#transport.readable) this.#transport.continueLater();
  }

  /**
   * Calls `state` and `open`.
   *
   * @internal
   */
  begin(): void {
    const { guard } = this.#settings;
    if (this.#calls.state !== null) guard.enter(this.#calls.state, this, undefined);
    if (this.#calls.open !== null && !this.closed) guard.enter(this.#calls.open, this, undefined);
  }

  /** The loop of the connection. */
  get loop(): IOLoop {
    return this.#settings.loop;
  }

  /**
   * The protocol. A new one gets all further events, `open` excepted. Set in the middle of a chunk, by
   * `data` or the function of a framing helper, it gets the rest: what {@link unread} leaves, or the
   * frames that follow.
   *
   * @throws `ERR_INVALID_ARG_TYPE`, when it is set.
   */
  get protocol(): Protocol<State> {
    return this.#calls.protocol as Protocol<State>;
  }

  /** Sets another one: see above. */
  set protocol(protocol: Protocol<State>) {
    this.#calls = ProtocolCalls.of(protocol, this.#settings.guard);
    this.#left = 0;
    if (this.#flow === Flow.Flowing && this.#buffer.length > 0) this.#transport.continueLater();
  }

  /** The socket, for its options; `null` if the descriptor is not a socket. */
  get socket(): Socket | null {
    return this.#transport.socket;
  }

  /** Node's socket of a connection with TLS, for certificates and the cipher; `null` for others. */
  get tlsSocket(): TLSSocket | null {
    return this.#transport.tlsSocket;
  }

  /** The header of the PROXY protocol that the connection has begun with; `null` without one. */
  get proxyHeader(): ProxyHeader | null {
    return proxyHeaderOf(this.socket);
  }

  /** The address of the peer, or of the client that {@link proxyHeader} names; `null` once closed. */
  get remoteAddress(): Address | null {
    return this.closed ? null : clientAddressOf(this.socket);
  }

  /** The own address; `null` once closed. */
  get localAddress(): Address | null {
    return this.closed ? null : (this.socket?.localAddress ?? null);
  }

  /** True if the connection is closed, or goes on as a stream. */
  get closed(): boolean {
    return this.#state >= State.Closed;
  }

  /** The error that has closed the connection; `null` while it is open, and if none has. */
  get error(): Error | null {
    return this.closed ? this.#error : null;
  }

  /** True between {@link pause} and {@link resume}. */
  get paused(): boolean {
    return this.#flow >= Flow.Pausing;
  }

  /** True from the high watermark of unsent bytes down to the low one: `drain` follows. */
  get congested(): boolean {
    return this.#writer?.congested ?? false;
  }

  /** The number of bytes that were received. */
  get bytesReceived(): number {
    return this.#received;
  }

  /** The number of bytes that the kernel has taken; over TLS, before encryption. */
  get bytesSent(): number {
    return this.#writer?.sent ?? 0;
  }

  /** The number of bytes that were written and not sent. */
  get unsent(): number {
    return this.#writer?.buffered ?? 0;
  }

  /**
   * Writes a string (as UTF-8), a typed array or a `DataView`, or a list of them. Writes of one turn
   * are sent together at its end. Returns true if more can be written, and false above the high
   * watermark: `drain` follows. Writing on is allowed, and takes memory. Also returns false, and drops
   * the data, if the writing side is ended or closed: a peer closes the connection at any time.
   *
   * Pieces of up to 4 KiB are copied. Longer ones are sent from the caller's memory, and belong to the
   * connection from now on: do not change them until {@link unsent} is 0.
   *
   * @throws `ERR_IOLOOP_BUFFER_FULL` if `maxWriteBufferSize` would be exceeded, `ERR_INVALID_ARG_TYPE`,
   * `ERR_IOLOOP_BUFFER_DETACHED`. Nothing of the data is taken then.
   */
  write(data: Data | readonly Data[]): boolean {
    if (this.#state >= State.WriteEnded) return false;
    const idle = this.#idle;
    // A chunk that arrives has been noted.
    if (idle !== null && this.#flow !== Flow.Calling) idle.touch();
    return (this.#writer ?? this.#makeWriter()).send(data);
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

  /** Half-close: ends the writing side after all written bytes. Bytes are received until EOF. */
  shutdownWrite(): void {
    if (this.#state < State.WriteEnded) (this.#writer ?? this.#makeWriter()).endSoon();
  }

  /** Sends all written bytes, then closes the connection. No function but `close` is called any more. */
  end(): void {
    if (this.#state >= State.Ending) return;
    this.#state = State.Ending;
    this.#transport.demand(IDLE);
    const writer = this.#writer;
    if (writer === null || writer.isEnded) this.#finish(null);
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
    if (reason === null) this.#writer?.flush();
    this.#finish(reason);
  }

  /** Stops `data` and `end`. The peer is slowed down once the buffers of the kernel are full. */
  pause(): void {
    if (this.#flow >= Flow.Pausing) return;
    if (this.#flow === Flow.Calling) {
      this.#flow = Flow.Pausing;
      return;
    }
    this.#flow = Flow.Paused;
    if (this.#isReceiving()) this.#transport.demand(IDLE);
  }

  /** Ends {@link pause}. `data` is called in a later turn, not within this call. */
  resume(): void {
    if (this.#flow < Flow.Pausing) return;
    if (this.#flow === Flow.Pausing) {
      this.#flow = Flow.Calling;
      return;
    }
    this.#flow = Flow.Flowing;
    if (!this.#isReceiving()) return;
    this.#demand();
    if (this.#buffer.length > this.#left || this.#transport.readable) {
      this.#transport.continueLater();
    }
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
    this.#idle?.cancel();
    this.#idle = null;
    if (this.closed || period === 0 || period === Infinity) return;
    this.#idle = new IdleTimeout(this.loop, period, this);
  }

  /**
   * Leaves the last `count` bytes of the chunk unread, for `data` alone and while it runs. It gets them
   * again, in front of the bytes that arrive next; at once if it has set another {@link protocol}, and
   * after {@link resume} if it has called {@link pause}. More than `maxBufferSize` close the connection.
   *
   * @throws `ERR_IOLOOP_STREAM_BUSY` outside of `data`; `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`.
   */
  unread(count: number): void {
    if (this.#flow !== Flow.Calling && this.#flow !== Flow.Pausing) {
      throw streamBusy('unread()', 'it is for a chunk, while data() runs');
    }
    const { length } = this.#buffer;
    this.#taken = length - checkInteger('count', count, 0, length);
  }

  /**
   * Goes on as a stream, with the bytes that are unread, and those that are unsent. In `data` the rest
   * of the chunk is what {@link unread} leaves, or the frames that follow. No function of the protocol
   * is called any more, and this object is closed. Called again, it returns the same stream.
   *
   * @throws `ERR_IOLOOP_STREAM_CLOSED`; `ERR_IOLOOP_STREAM_BUSY` after {@link end}.
   */
  toStream(): IOStream {
    if (this.#stream !== null) return this.#stream;
    if (this.#state === State.Closed) throw this.closedError();
    if (this.#state === State.Ending) throw streamBusy('toStream()', 'the connection is ending');
    const isCalling = this.#flow === Flow.Calling || this.#flow === Flow.Pausing;
    if (isCalling) this.#buffer.skip(this.#taken);
    const unread = this.#buffer.take(this.#buffer.length);
    const sides = { unread, ended: this.#state === State.ReadEnded, writer: this.#writer };
    const watcher = this.#watcher;
    this.#leave(State.MovedOut);
    this.#writer = this.#watcher = null;
    this.#transport.demand(IDLE);
    const { makeStream } = this.#settings;
    this.#stream = makeStream(this.#settings, this.#transport, sides, watcher, this);
    return this.#stream;
  }

  /** @internal For `util.inspect`. */
  [INSPECT](): object {
    return viewOf(this, #state in this ? this.#view() : {});
  }

  #view(): object {
    const { paused, unsent, error } = this;
    return {
      fd: this.closed ? -1 : this.#transport.peekFd(),
      ...(this.#state === State.Open ? {} : { state: STATE_NAMES[this.#state] }),
      ...(error === null ? {} : { error: `${error.name}: ${error.message}` }),
      ...(paused ? { paused } : {}),
      unsent,
    };
  }

  // For framing functions.

  /**
   * Bytes at the beginning of the chunk that `data` has had before.
   *
   * @internal
   */
  get seen(): number {
    return this.#left;
  }

  /**
   * {@link unread} without checks.
   *
   * @internal
   */
  leave(count: number): void {
    this.#taken = this.#buffer.length - count;
  }

  /**
   * Whether `calls`, those when the chunk began, get the next frame.
   *
   * @internal
   */
  isReading(calls: ProtocolCalls): boolean {
    return this.#flow === Flow.Calling && this.#calls === calls && this.#isReceiving();
  }

  /** @internal */
  get calls(): ProtocolCalls {
    return this.#calls;
  }

  /**
   * Waits for the result of a function that `data` has called, as for its own.
   *
   * @internal
   */
  follow(result: unknown): void {
    this.#settings.guard.follow(this.#calls.data, result, this, NO_CHUNK);
  }

  /**
   * See {@link Stream.watch}.
   *
   * @internal
   */
  watch(watcher: Watcher<unknown>): void {
    if (this.closed) watcher.onClosed(this);
    else this.#watcher = watcher;
  }

  // The events of the transport: `TransportEvents`.

  /** @internal */
  store(block: Block, start: number, end: number): void {
    try {
      this.#filled().receive(block, start, end);
    } catch (error) {
      // Out of memory. Nothing else may run now.
      this.#error = error as Error;
    }
    this.#received += end - start;
    if (this.#idle !== null) this.#idle.last = this.#settings.io.now;
  }

  /** @internal */
  onStored(): void {
    if (this.#error !== null) this.#finish(this.#error);
    else this.#pump();
  }

  /** @internal */
  onReadable(): void {
    this.#pump();
  }

  /** @internal */
  onReadResult(result: number): void {
    // EOF is found again by the read of a connection that is paused.
    if (result < 0 || this.#flow === Flow.Flowing) this.#onResult(result);
  }

  /** @internal */
  onPeerClosed(): void {
    if (this.#isReceiving() && this.#flow === Flow.Flowing) this.#pump();
    else this.#onHangUp();
  }

  /** A reset, which no read will report. */
  #onHangUp(): void {
    const error = this.#transport.takeError();
    if (error !== null) this.#finish(error);
  }

  /** @internal */
  onWritable(): void {
    this.#writer?.onWritable();
  }

  /** @internal */
  onContinue(): void {
    this.#writer?.onContinue();
    if (this.#isDrained && !this.closed) {
      this.#isDrained = false;
      const { drain } = this.#calls;
      const isOver = this.#state >= State.WriteEnded || this.congested;
      if (drain !== null && !isOver) this.#settings.guard.enter(drain, this, undefined);
    }
    this.#pump();
  }

  /** @internal */
  onTickEnd(): void {
    this.#writer?.onTickEnd();
    this.#buffer.detach();
  }

  /** @internal */
  onFailure(error: Error): void {
    this.#finish(error);
  }

  // The events of the writer: `WriterOwner`; and of the timeout.

  /** @internal */
  onWriteError(errno: number): void {
    // After a receive got ECONNRESET, which is reported once, a send in the same turn gets EPIPE.
    const { failure } = this.#transport;
    this.#finish(failure < 0 ? systemError(failure, 'read') : systemError(errno, 'write'));
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
      this.#transport.shutdownWrite();
      return null;
    } catch (error) {
      return error as Error;
    }
  }

  /** @internal */
  onWriteEnd(): void {
    if (this.closed) return;
    if (this.#state === State.Open && this.#transport.hasHalfClose) this.#state = State.WriteEnded;
    else this.#finish(null);
  }

  /** @internal */
  onDrained(): void {
    this.#isDrained = true;
    this.#transport.continueLater();
  }

  /** @internal */
  closedError(): Error {
    return streamClosed(this.error);
  }

  /** @internal */
  onIdle(): void {
    const { timeout } = this.#calls;
    const isCalled = timeout !== null && this.#state !== State.Ending;
    if (isCalled) this.#settings.guard.enter(timeout, this, undefined);
    else this.close(new TimeoutError('Nothing was received or sent within the timeout'));
  }

  /** Gives bytes to `data`, those of the buffer and those that the budget allows to read. */
  #pump(): void {
    let budget = this.#settings.io.capacities.readBudget;
    while (this.#flow === Flow.Flowing && this.#isReceiving()) {
      if (this.#buffer.length > this.#left) {
        this.#deliver();
        continue;
      }
      if (!this.#transport.readable) break;
      if (budget <= 0) {
        this.#transport.continueLater();
        break;
      }
      const count = this.#fill();
      if (count <= 0) {
        this.#onResult(count);
        break;
      }
      budget -= count;
    }
    if (this.#buffer.length === 0) this.#release();
    else if (this.#buffer.isShared) this.#transport.atTickEnd();
  }

  #deliver(): void {
    const buffer = this.#buffer;
    const calls = this.#calls;
    const chunk = buffer.view();
    this.#taken = chunk.length;
    this.#flow = Flow.Calling;
    this.#settings.guard.enter(calls.data, this, chunk);
    // The buffer may be another connection's.
    if (this.closed) return;
    const isPausing = this.#isPausing();
    this.#flow = isPausing ? Flow.Paused : Flow.Flowing;
    if (isPausing) this.#transport.demand(IDLE);
    buffer.skip(this.#taken);
    this.#left = isPausing || calls !== this.#calls ? 0 : buffer.length;
    const { maxBufferSize } = this.#settings.limits;
    if (buffer.length > maxBufferSize) this.#finish(bufferFull('read', maxBufferSize));
  }

  // For the compiler, which takes a flow that it has seen for the one after a call, too.
  #isPausing(): boolean {
    return this.#flow === Flow.Pausing;
  }

  #fill(): number {
    const { readChunkSize, maxBufferSize } = this.#settings.limits;
    const size = Math.min(readChunkSize, maxBufferSize + 1 - this.#buffer.length);
    const least = this.#transport.leastRoom;
    const count = this.#filled().readFrom(this.#transport, Math.max(size, least));
    if (count > 0) {
      this.#received += count;
      this.#idle?.touch();
    }
    return count;
  }

  /** A read gave no bytes: EOF, or a negative errno. */
  #onResult(result: number): void {
    if (result === -EAGAIN) return;
    if (result < 0) this.#finish(systemError(result, 'read'));
    else if (this.#isReceiving()) this.#onEof();
  }

  #onEof(): void {
    this.#state = State.ReadEnded;
    const { end } = this.#calls;
    if (end !== null) this.#settings.guard.enter(end, this, undefined);
    if (!this.#isReadEnded()) return;
    const isOver = !this.#settings.allowHalfOpen || this.#writer?.isEnded === true;
    if (isOver) this.end();
  }

  #isReadEnded(): boolean {
    return this.#state === State.ReadEnded;
  }

  #isReceiving(): boolean {
    return this.#state === State.Open || this.#state === State.WriteEnded;
  }

  /** The turn receives a fixed number of bytes: a connection with smaller chunks reads by itself. */
  #demand(): void {
    const { receiveBytes } = this.#settings.io.capacities;
    const { readChunkSize } = this.#settings.limits;
    const isSmall = readChunkSize >= receiveBytes && receiveBytes >= this.#transport.leastRoom;
    this.#transport.demand(isSmall ? RECEIVE : NOTIFY);
  }

  #makeWriter(): Writer {
    const writer = this.#transport.createWriter(this, this.#settings.limits.writer);
    this.#writer = writer;
    return writer;
  }

  /** Closes, from every state before. Runs no user code: `close` is called in a turn. */
  #finish(error: Error | null): void {
    if (this.closed) return;
    const watcher = this.#watcher;
    this.#error = error;
    this.#leave(State.Closed);
    this.#watcher = null;
    const { guard, loop } = this.#settings;
    guard.attempt(closeTransport, this);
    this.#writer?.close();
    if (this.#calls.close !== null) loop.addCallbackFromSignal(announceClose, this);
    if (watcher !== null) guard.attempt(() => watcher.onClosed(this));
  }

  #leave(state: State.Closed | State.MovedOut): void {
    this.#state = state;
    this.#idle?.cancel();
    this.#idle = null;
    const { length } = this.#buffer;
    if (length > 0) this.#buffer.skip(length);
    this.#release();
  }

  /** @internal */
  closeTransport(): void {
    this.#transport.close(this.#error);
  }

  /** @internal */
  announceClose(): void {
    const { close } = this.#calls;
    if (close !== null) this.#settings.guard.enter(close, this, this.#error);
  }

  /** The buffer, to fill. */
  #filled(): ReadBuffer {
    if (this.#buffer === NO_BYTES) this.#buffer = takeReadBuffer();
    return this.#buffer;
  }

  #release(): void {
    const buffer = this.#buffer;
    if (buffer === NO_BYTES) return;
    this.#buffer = NO_BYTES;
    releaseReadBuffer(buffer);
  }
}

// Functions of no connection: a close makes no closure.
// oxlint-disable-next-line typescript/no-explicit-any
function announceClose(connection: Connection<any>): void {
  connection.announceClose();
}

// oxlint-disable-next-line typescript/no-explicit-any
function closeTransport(connection: Connection<any>): void {
  connection.closeTransport();
}

const { EAGAIN } = constants.errno;
const NO_CHUNK = Buffer.alloc(0);

/** Seconds after which a send that has failed with `ENOBUFS` or `ENOMEM` is tried again. */
const NO_MEMORY_RETRY = 0.01;
