/** The state of an `IOStream`, between its transport and its two sides. */
import type { Block } from '../boundary/receive-blocks.js';
import { NO_MEMORY_RETRY } from '../boundary/send-batch.js';
import { guardOf, ioOf } from '../loop/internals.js';
import type { IOLoop } from '../loop/ioloop.js';
import { isLimited, type WaitOptions } from '../loop/wait.js';
import { addressText, type Address } from '../sockets/address.js';
import { peekSocket } from '../sockets/socket.js';
import { checkOptions } from '../support/checks.js';
import {
  detachedError,
  isStreamClosed,
  streamBusy,
  streamClosed,
  streamEnded,
  systemError,
  type IOLoopError,
} from '../support/errors.js';
import { INTERNALS } from '../support/internals.js';
import { ConnectionAttempt, connectWait } from './connection-attempt.js';
import type { Data } from './data.js';
import type { StreamLimits, StreamSettings } from './options.js';
import type { Adapter, CloseCallback, Move, Moved, Sides, Watch, Watcher } from './ownership.js';
import { HeldWriter } from './held-writer.js';
import { Reader, type ReaderOwner } from './reader.js';
import type { Transport, TransportEvents, Writer, WriterOwner } from './transport.js';

/**
 * The life of a stream. A failure of the transport, of the reader or of the writer, and `close()`,
 * close it from every state; `moveOut()` moves it out, `endDetached()` ends in detached.
 *
 * | State       | Event                        | Next |
 * | ----------- | ---------------------------- | ---- |
 * | unconnected | `connect()`                  | connecting; closed, if `connect(2)` fails |
 * | connecting  | the attempt has ended        | open, or closed with its error |
 * |             | timeout, abort               | closed with that error |
 * | open        | EOF, `allowHalfOpen`         | read ended |
 * |             | EOF, nothing unsent          | ended |
 * |             | EOF, something is unsent     | read ended: the writer is shut down |
 * |             | FIN is sent, to a socket     | write ended |
 * |             | the end is sent, to a pipe   | closed: it has no other direction |
 * | read ended  | FIN is sent                  | ended |
 * | write ended | EOF                          | ended |
 * | ended       | none: closed, after EOF      | |
 * | closed      | none                         | |
 * | moved out   | none: closed, and its transport belongs to another stream | |
 * | detached    | none: closed, and its file belongs to the table of `sockets/detached.ts` | |
 */
const enum State {
  Unconnected,
  Connecting,
  Open,
  ReadEnded,
  WriteEnded,
  // From here on the stream is closed.
  Ended,
  Closed,
  MovedOut,
  Detached,
}

/** By {@link State}, for display. */
const STATE_NAMES = [
  'unconnected',
  'connecting',
  'open',
  'read ended',
  'write ended',
  'ended',
  'closed',
  'moved out',
  'detached',
] as const;

/** What few streams have, or for a short time. As fields of a stream they would be in each idle one. */
class Extras {
  move: Move | null = null;
  adapter: Adapter | null = null;
  /** In state connecting. */
  connecting: ConnectionAttempt | null = null;
  closeCallback: CloseCallback | null = null;
}

const NO_EXTRAS: Readonly<Extras> = Object.freeze(new Extras());

/**
 * A stream without its public face, which checks arguments. It passes the events of the transport to
 * the reader and the writer, and theirs to its state.
 */
export class Stream implements TransportEvents, ReaderOwner, WriterOwner {
  readonly loop: IOLoop;
  readonly limits: StreamLimits;
  readonly transport: Transport;
  readonly reader: Reader;
  /** Whether the stream stays open for writing after EOF. */
  allowHalfOpen: boolean;
  /** The error that has closed the stream, if one did. */
  error: Error | null = null;
  #state: State;
  /** Made with the first write: a connection that waits for a request has none. */
  #writer: Writer | null = null;
  /** {@link NO_EXTRAS} of most streams. */
  #extras: Readonly<Extras> = NO_EXTRAS;
  /** One watcher and its argument: a closure or a list would cost memory for each connection. */
  #watcher: Watcher<unknown> | null = null;
  #watched: unknown = null;

  /** @throws As {@link Transport.open}; the transport is not closed then. */
  constructor(settings: StreamSettings, transport: Transport) {
    const { loop, limits, allowHalfOpen } = settings;
    this.loop = loop;
    this.limits = limits;
    this.transport = transport;
    this.allowHalfOpen = allowHalfOpen;
    this.#state = transport.connected ? State.Open : State.Unconnected;
    // Before `open()`: from then on there may be events.
    this.reader = new Reader(this, transport, limits, ioOf(loop).capacities);
    transport.open(this);
  }

  get closed(): boolean {
    return this.#state >= State.Ended;
  }

  /** The new owner of the connection, in state moved out. */
  get move(): Move | null {
    return this.#extras.move;
  }

  set move(move: Move | null) {
    this.#ownExtras().move = move;
  }

  /** See {@link adapt}. */
  get adapter(): Adapter | null {
    return this.#extras.adapter;
  }

  /** Where the stream was made, in debug mode. */
  get site(): string | null {
    return null;
  }

  /** The object that the program has. Debug mode watches it. */
  onFace(_face: object): void {}

  /** Whether a write that fails so need not be awaited: its connection has failed. */
  isQuiet(error: unknown): boolean {
    return this.closed && isStreamClosed(error);
  }

  /** A limited wait of the writing side, which the program gets. Debug mode watches it. */
  watchWait(_call: string, promise: Promise<void>): Promise<void> {
    return promise;
  }

  get hasCloseCallback(): boolean {
    return this.#extras.closeCallback !== null;
  }

  /** Whether it can be read and written, or could before it was closed. */
  get isConnected(): boolean {
    return this.#state > State.Connecting;
  }

  /** Whether FIN was sent, and EOF was not found. */
  get isWriteEnded(): boolean {
    return this.#state === State.WriteEnded;
  }

  /** Whether the writing side is about to end: FIN is not sent yet. */
  get isEnding(): boolean {
    return this.#writer !== null && this.#writer.isEnding;
  }

  /** The state, for display. */
  get stateName(): (typeof STATE_NAMES)[number] {
    return STATE_NAMES[this.#state] as (typeof STATE_NAMES)[number];
  }

  /** The address of the peer, or the one that it connects to, for display. */
  get remoteText(): string | null {
    const { socket } = this.transport;
    const { connecting } = this.#extras;
    if (connecting !== null) return addressText(connecting.address);
    return socket === null ? null : peekSocket(socket).remote;
  }

  get writer(): Writer {
    return this.#writer ?? this.#makeWriter();
  }

  /** Later writes wait behind this one, until {@link releaseWriter}. */
  holdWriter(): HeldWriter {
    const writer = new HeldWriter(this.writer, this.limits.writer);
    this.#writer = writer;
    return writer;
  }

  /** Writes what waits. Another one may be held in front of this writer. */
  releaseWriter(held: HeldWriter): void {
    held.release();
    if (this.#writer instanceof HeldWriter) this.#writer = this.#writer.unheld;
  }

  /** {@link unsent} is exact from now on: see {@link Transport.regain}. */
  regain(): void {
    this.transport.regain?.();
  }

  /** Bytes that were written and are not with the kernel. */
  get unsent(): number {
    return this.#writer === null ? this.transport.staged : this.#writer.buffered;
  }

  /** See {@link Writer.held}. */
  get held(): number {
    return this.#writer === null ? this.transport.staged : this.#writer.held;
  }

  get congested(): boolean {
    return this.#writer !== null && this.#writer.congested;
  }

  /** The connection attempt in progress. It resolves when the stream is open. */
  get connecting(): Promise<unknown> | null {
    return this.#extras.connecting?.promise ?? null;
  }

  /** See {@link Writer.send}. */
  send(data: Data | readonly Data[]): boolean {
    const isDirect = this.#writer === null && !this.closed;
    if (isDirect && this.transport.stage(data, this.limits.writer.staged)) return true;
    return this.writer.send(data);
  }

  /** Offers the staged writes to the kernel, once. */
  flush(): void {
    this.#writerOfUnsent()?.flush();
  }

  /**
   * See `IOStream.connect`. Resolves to `value`: a `then` of the caller would resolve after the writes
   * that waited for the connection.
   *
   * @throws If the attempt cannot begin.
   */
  connect<T>(value: T, address: Address, options: WaitOptions | undefined): Promise<T> {
    checkOptions(options);
    this.assertUnconnected();
    const wait = isLimited(options) ? connectWait(this, options) : null;
    const connecting = new ConnectionAttempt(value, address, wait);
    this.#state = State.Connecting;
    this.#ownExtras().connecting = connecting;
    try {
      this.transport.connect(address);
    } catch (error) {
      this.#onConnectThrow(error as Error);
    }
    return connecting.promise as Promise<T>;
  }

  /** @throws The error of a closed stream; `ERR_IOLOOP_STREAM_BUSY` of one that is connected. */
  assertUnconnected(): void {
    if (this.closed) throw this.closedError();
    if (this.#state !== State.Unconnected) {
      throw streamBusy('connect()', 'it is connected, or about to be');
    }
  }

  /** An error without a system call is a wrong argument, and leaves the stream unconnected. */
  #onConnectThrow(error: Error): void {
    if ('syscall' in error) this.close(error);
    if (this.closed) return;
    this.#takeConnecting()?.withdraw();
    this.#state = State.Unconnected;
    throw error;
  }

  /** Closes at once, with `error` if it is not `null`. Received bytes can still be read. */
  close(error: Error | null): void {
    this.#close(State.Closed, error);
  }

  /** Closes in the middle of what is sent: by a reset, so that the peer does not take it for the end. */
  cut(reason: Error): void {
    if (this.closed) return;
    try {
      this.transport.socket?.setOption('linger', 0);
    } catch {
      // The descriptor was closed elsewhere.
    }
    this.close(reason);
  }

  #close(state: State.Closed | State.Ended, error: Error | null): void {
    if (this.closed) return;
    this.#state = state;
    this.error = error;
    for (const step of Stream.#closing) {
      try {
        step(this);
      } catch (failure) {
        guardOf(this.loop).report(null, failure);
      }
    }
  }

  /** The steps of a close. Each runs although others throw: something waits for every one. */
  static readonly #closing: readonly ((stream: Stream) => void)[] = [
    (stream) => {
      stream.transport.close(stream.error);
    },
    (stream) => {
      stream.reader.close();
    },
    (stream) => {
      stream.#writer?.close();
    },
    (stream) => {
      stream.#takeConnecting()?.fail(stream.closedError());
    },
    (stream) => {
      stream.#announceClose();
    },
    (stream) => {
      const watch = stream.#takeWatch();
      watch?.watcher.onClosed(watch.watched);
    },
  ];

  /** @throws The error of a closed stream; `ERR_IOLOOP_STREAM_BUSY` unless connected and unused. */
  assertIdle(call: string): void {
    this.regain();
    if (this.closed) throw this.closedError();
    if (this.#state <= State.Connecting) throw streamBusy(call, 'it is not connected yet');
    if (this.adapter !== null) throw streamBusy(call, ADAPTED);
    if (this.reader.reading || this.unsent > 0) {
      throw streamBusy(call, 'a read waits, or something is still to be sent');
    }
  }

  /**
   * Closes the stream, and leaves its transport and its listeners to another one. Bytes that were
   * received cannot be read here any more. The caller sets {@link move}.
   */
  moveOut(): Moved {
    const { transport, limits, reader, allowHalfOpen } = this;
    const callback = this.#takeCloseCallback();
    const watch = this.#takeWatch();
    this.#state = State.MovedOut;
    reader.close();
    this.#writer?.close();
    return { transport, limits, callback, watch, allowHalfOpen, unread: reader.takeUnread() };
  }

  /**
   * {@link moveOut} in the middle of writes: their promises stay. No read waits.
   *
   * @throws The error of a closed stream; `ERR_IOLOOP_STREAM_BUSY` if a read waits, before it is
   * connected, and when an adapter has it. It is unchanged then.
   */
  handOver(call: string): Moved & Sides {
    this.regain();
    if (this.closed) throw this.closedError();
    if (this.#state <= State.Connecting) throw streamBusy(call, 'it is not connected yet');
    if (this.reader.reading) throw streamBusy(call, 'a read waits');
    if (this.adapter !== null) throw streamBusy(call, ADAPTED);
    // Its failure cuts the stream, which would not have the connection any more.
    if (this.#writer instanceof HeldWriter) throw streamBusy(call, 'a file is being sent');
    this.reader.checkLoss();
    if (this.closed) throw this.closedError();
    const writer = this.#writerOfUnsent();
    const { ended } = this.reader;
    this.#writer = null;
    return { ...this.moveOut(), ended, writer };
  }

  /** Continues where another object has left. Before anything is read or written. */
  takeOver({ unread, ended, writer }: Sides): void {
    if (writer !== null) {
      writer.owner = this;
      this.#writer = writer;
      if (writer.isEnded) this.#state = State.WriteEnded;
    }
    this.#continueReading(unread, ended);
    // EOF, perhaps.
    if (this.transport.readable) this.transport.continueLater();
  }

  /**
   * Ends a stream whose file was detached. Everything fails from now on; the close callback is not
   * called, as the connection is open. `file` ends last of what the program can use: an object of the
   * program closes itself there.
   */
  endDetached(file: { endDetached(): void }): void {
    const watch = this.#takeWatch();
    this.#takeCloseCallback();
    this.#state = State.Detached;
    this.reader.leave();
    this.#writer?.close();
    guardOf(this.loop).attempt(() => {
      file.endDetached();
    });
    watch?.watcher.onClosed(watch.watched);
  }

  /** Continues where a detached stream has ended. Before anything is read or written. */
  resume(unread: Buffer, ended: boolean, writeEnded: boolean): void {
    this.#continueReading(unread, ended);
    // Once more, without effect on the connection: its end leads to the state.
    if (writeEnded) this.writer.shutdown().catch(() => {});
  }

  #continueReading(unread: Buffer, ended: boolean): void {
    // Otherwise the EOF of the kernel ends the stream, as it would have ended the other one.
    const staysEnded = ended && this.allowHalfOpen;
    this.reader.resume(unread, staysEnded);
    if (staysEnded) this.#state = State.ReadEnded;
  }

  /** @throws `ERR_IOLOOP_DETACHED`. */
  assertAttached(): void {
    if (this.#state === State.Detached) throw detachedError('stream');
  }

  /** Replaces the close callback. If the stream is closed, it is called in the next turn. */
  setCloseCallback(callback: CloseCallback | null): void {
    if (callback !== this.#extras.closeCallback) this.#ownExtras().closeCallback = callback;
    if (this.closed) this.#announceClose();
  }

  /**
   * Calls `watcher.onClosed(watched)` once, when the stream is closed; at once if it is. A later call
   * replaces the watcher.
   */
  watch<T>(watcher: Watcher<T>, watched: T): void {
    if (this.closed) {
      watcher.onClosed(watched);
      return;
    }
    this.#watcher = watcher as Watcher<unknown>;
    this.#watched = watched;
  }

  /** Replaces the watcher of a stream, also by none. Returns the one before. */
  exchangeWatch(watch: Watch | null): Watch | null {
    const before = this.#takeWatch();
    this.#watcher = watch?.watcher ?? null;
    this.#watched = watch?.watched;
    return before;
  }

  /**
   * Leaves reading, writing and closing to `adapter`, which both directions end for by themselves.
   *
   * @throws `ERR_IOLOOP_STREAM_BUSY` if a read waits, and if another adapter has it.
   */
  adapt(adapter: Adapter, call: string): void {
    if (this.adapter !== null) throw streamBusy(call, ADAPTED);
    if (this.reader.reading) throw streamBusy(call, 'a read waits');
    this.allowHalfOpen = true;
    this.#ownExtras().adapter = adapter;
  }

  closedError(partial?: Buffer): IOLoopError {
    if (this.#state === State.Detached) return detachedError('stream');
    return streamClosed(this.error, partial);
  }

  endedError(partial?: Buffer): IOLoopError {
    if (!this.closed) return streamEnded(this.#staysOpen());
    const byProgram = this.allowHalfOpen && this.#state !== State.Ended;
    return this.error !== null || byProgram ? this.closedError(partial) : streamEnded(false);
  }

  // The events of the transport. Each goes to a side while it can act on it.

  store(block: Block, start: number, end: number): void {
    this.reader.store(block, start, end);
  }

  onStored(): void {
    this.reader.onStored();
  }

  onReadable(): void {
    this.reader.onReadable();
  }

  onReadResult(result: number): void {
    this.reader.onReadResult(result);
  }

  onPeerClosed(): void {
    this.reader.onPeerClosed();
  }

  onWritable(): void {
    const { connecting } = this.#extras;
    if (connecting !== null) this.#onConnectEnd(connecting);
    // Closed, a writer does nothing.
    this.#writer?.onWritable();
  }

  onContinue(): void {
    this.#writer?.onContinue();
    if (!this.closed) this.reader.onContinue();
  }

  onTickEnd(): void {
    this.#writer?.onTickEnd();
    this.reader.onTickEnd();
  }

  onFailure(error: Error): void {
    this.close(error);
  }

  // The events of the reader and the writer.

  onEof(): void {
    if (this.closed) return;
    if (this.#state === State.WriteEnded) {
      this.#close(State.Ended, null);
      return;
    }
    this.#state = State.ReadEnded;
    if (!this.allowHalfOpen) this.#endWithPeer();
  }

  /** Ends after the unsent bytes. */
  #endWithPeer(): void {
    // While a shutdown is in progress, FIN is not sent yet.
    const isSent = this.unsent === 0 && this.#writer?.isEnding !== true;
    if (isSent) this.#close(State.Ended, null);
    // A failure closes the stream with its error.
    else this.writer.shutdown().catch(() => {});
  }

  /** The error of a reset, which no read would report. */
  onHangUp(): void {
    const error = this.transport.takeError();
    if (error !== null) this.close(error);
  }

  forgets(writer: Writer): boolean {
    // Another one may be held in front of it.
    if (this.#writer !== writer) return false;
    this.#writer = null;
    return true;
  }

  onReadError(errno: number): void {
    this.close(systemError(errno, 'read'));
  }

  onWriteError(errno: number): void {
    // After a receive got ECONNRESET, which is reported once, a send in the same turn gets EPIPE.
    const { failure } = this.transport;
    if (failure < 0) this.onReadError(failure);
    else this.close(systemError(errno, 'write'));
  }

  retryLater(retry: () => void): void {
    this.loop.callLater(NO_MEMORY_RETRY, retry);
  }

  endWriting(): Error | null {
    try {
      this.transport.shutdownWrite();
      return null;
    } catch (error) {
      return error as Error;
    }
  }

  onProgress(): void {
    this.#watcher?.onProgress?.(this.#watched);
  }

  // `drain()` has its promise.
  onDrained(): void {}

  onWriteEnd(): void {
    if (this.closed) return;
    if (this.#state === State.ReadEnded) this.#close(State.Ended, null);
    else if (!this.transport.hasHalfClose) this.close(null);
    else this.#state = State.WriteEnded;
  }

  #onConnectEnd(connecting: ConnectionAttempt): void {
    const error = this.transport.connectResult(connecting.address);
    if (error !== null) {
      this.close(error);
      return;
    }
    this.#state = State.Open;
    this.#takeConnecting();
    connecting.succeed();
  }

  #takeConnecting(): ConnectionAttempt | null {
    const { connecting } = this.#extras;
    if (connecting !== null) this.#ownExtras().connecting = null;
    return connecting;
  }

  #takeCloseCallback(): CloseCallback | null {
    const { closeCallback } = this.#extras;
    if (closeCallback !== null) this.#ownExtras().closeCallback = null;
    return closeCallback;
  }

  #ownExtras(): Extras {
    if (this.#extras === NO_EXTRAS) this.#extras = new Extras();
    return this.#extras as Extras;
  }

  protected createWriter(): Writer {
    return this.transport.createWriter(this, this.limits.writer);
  }

  /** The writer, if there is one, or something was staged without. */
  #writerOfUnsent(): Writer | null {
    return this.transport.staged > 0 ? this.writer : this.#writer;
  }

  #makeWriter(): Writer {
    const writer = this.createWriter();
    this.#writer = writer;
    if (this.closed) writer.close();
    return writer;
  }

  /** Whether the program can write after EOF. */
  #staysOpen(): boolean {
    return this.allowHalfOpen && this.#state !== State.WriteEnded;
  }

  #takeWatch(): Watch | null {
    const watcher = this.#watcher;
    const watched = this.#watched;
    this.#watcher = this.#watched = null;
    return watcher === null ? null : { watcher, watched };
  }

  #announceClose(): void {
    const callback = this.#takeCloseCallback();
    if (callback !== null) this.loop.addCallback(callback, this.error);
  }
}

/** Why a stream is busy: see {@link Stream.adapt}. */
const ADAPTED = 'a duplex or a pair of web streams has it';

/** The inside of an `IOStream`. */
export function coreOf(stream: { readonly [INTERNALS]: Stream }): Stream {
  return stream[INTERNALS];
}
