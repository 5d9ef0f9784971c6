/** What an `IOStream` does inside: its two sides on an endpoint, and how they begin and end. */
import { throwIfAborted } from '../support/abort-signal.js';
import type { Block } from '../boundary/receive-blocks.js';
import type { Address } from '../sockets/address.js';
import {
  streamBusy,
  streamClosed,
  streamEnded,
  systemError,
  type StreamClosedError,
} from '../support/errors.js';
import { guardOf } from '../loop/internals.js';
import { INTERNALS } from '../support/internals.js';
import type { IOLoop } from '../loop/ioloop.js';
import { Deferred } from '../support/deferred.js';
import { checkOptions } from '../support/checks.js';
import type { StreamLimits, StreamSettings } from './options.js';
import { Reader, type ReaderOwner } from './reader.js';
import type { Read } from './reads.js';
import type { Transport, TransportEvents, Writer, WriterOwner } from './transport.js';
import { checkWait, isLimited, Wait, type WaitOptions } from '../loop/wait.js';

/** Called with what closed the stream; `null` when its peer or its owner did. */
export type CloseCallback = (error: Error | null) => unknown;

/** Hears of a stream inside of the package. */
export interface Watcher<T> {
  /** The stream is closed, and with it its connection. */
  onClosed(watched: T): void;
  /** `next` goes on with the connection of the stream: it is watched from now on. */
  onReplaced?(watched: T, next: unknown): void;
}

/** A watcher, and its argument. */
interface Watch {
  readonly watcher: Watcher<unknown>;
  readonly watched: unknown;
}

/** The state that a stream hands over to the one that continues on its connection. */
export interface Moved {
  readonly transport: Transport;
  /** Received and not read. */
  readonly unread: Buffer;
  readonly allowHalfOpen: boolean;
  readonly limits: StreamLimits;
  readonly callback: CloseCallback | null;
  readonly watch: Watch | null;
}

/** What gives a connection another stream, which a `close()` of the old one gives up. */
interface Move {
  /** `reason` is what the program has closed the stream for. */
  abandon(reason: Error | null): void;
}

/** The steps of a close, in their order. */
let CLOSING: readonly ((core: Stream) => void)[];

/** Seconds after which a send is tried again that has failed with `ENOBUFS` or `ENOMEM`. */
const NO_MEMORY_RETRY = 0.01;

/**
 * The state of a stream: open or closed, connecting, ended on one side or both. Its public face
 * checks what it is given; here everything is as it should be.
 */
export class Stream implements TransportEvents, ReaderOwner, WriterOwner {
  readonly loop: IOLoop;
  readonly limits: StreamLimits;
  readonly transport: Transport;
  readonly reader: Reader;
  /** Made with the first write: a connection that waits for a request has none. */
  #writer: Writer | null = null;
  /** The peer's end does not end the stream. */
  allowHalfOpen: boolean;
  closed = false;
  error: Error | null = null;
  /** The duplex, or the web streams, on the stream: the program's `close()` destroys them. */
  adapter: { destroy(error?: Error): unknown } | null = null;
  #writeEnded = false;
  #connecting: Connecting | null = null;
  #closeCallback: CloseCallback | null = null;
  /** The connection is on its way to another stream. */
  move: Move | null = null;
  /** The stream that goes on with the connection, an `IOStream`. */
  successor: unknown = null;
  /** The watcher of the package, and its argument. */
  #watcher: Watcher<unknown> | null = null;
  #watched: unknown = null;

  /** @throws As {@link Transport.open}; the transport is not closed then. */
  constructor(settings: StreamSettings, transport: Transport) {
    const { loop, limits, allowHalfOpen } = settings;
    this.loop = loop;
    this.limits = limits;
    this.transport = transport;
    this.allowHalfOpen = allowHalfOpen;
    this.reader = new Reader(this, transport, limits);
    transport.open(this);
  }

  get writer(): Writer {
    return this.#writer ?? this.#makeWriter();
  }

  /** Bytes that were written and are not with the kernel. */
  get unsent(): number {
    return this.#writer === null ? 0 : this.#writer.buffered;
  }

  #makeWriter(): Writer {
    const writer = this.transport.createWriter(this, this.limits.writer);
    this.#writer = writer;
    if (this.closed) writer.close();
    return writer;
  }

  /** Offers the kernel once what was written. */
  flush(): void {
    this.#writer?.flush();
  }

  /** The connection attempt that is in progress, which settles when it has ended. */
  get connecting(): Promise<unknown> | null {
    return this.#connecting?.done.promise ?? null;
  }

  /** See `IOStream.connect`: resolves to `stream`. */
  connect<T>(stream: T, address: Address, options: WaitOptions | undefined): Promise<T> {
    checkOptions(options);
    let transport = this.#unconnected();
    const expire = (error: unknown): void => {
      this.close(toError(error));
    };
    const wait = isLimited(options) ? this.#connectWait(options, expire) : null;
    try {
      // A getter of the options may have closed or connected the stream.
      if (wait !== null) transport = this.#unconnected();
    } catch (error) {
      wait?.done();
      throw error;
    }
    const done = new Deferred<T>();
    const stand = (): void => {
      done.resolve(stream);
    };
    this.#connecting = { address, stand, done, wait };
    try {
      transport.connect(address);
    } catch (error) {
      // An error without a system call is the caller's mistake, and leaves the stream open.
      if ('syscall' in (error as Error)) this.close(error as Error);
      else this.#endConnecting();
      if (!this.closed) throw error;
    }
    return done.promise;
  }

  /** @throws When the stream is closed, or connected, or about to be. */
  #unconnected(): Transport {
    if (this.closed) throw this.closedError();
    const { transport } = this;
    if (this.#connecting !== null || transport.connected) {
      throw streamBusy('connect()', 'it is connected, or about to be');
    }
    return transport;
  }

  /** A signal that has aborted before closes the stream, as one that aborts later does. */
  #connectWait(options: WaitOptions, expire: (error: unknown) => void): Wait {
    checkWait(options);
    try {
      throwIfAborted(options.signal);
    } catch (reason) {
      expire(reason);
      throw this.closedError();
    }
    return new Wait(this.loop, options, 'connect', expire);
  }

  /** Starts a read that may be given up. */
  limitedRead<T>(read: Read<T>, options: WaitOptions): Promise<T> {
    const { reader } = this;
    if (reader.reading) return reader.read(read);
    const wait = new Wait(this.loop, options, read.name, (error) => {
      reader.cancel(error);
    });
    // A getter of the options has started another read, whose wait this is not.
    if (reader.reading) {
      wait.done();
      return reader.read(read);
    }
    const promise = reader.read(read);
    if (reader.reading) reader.limit(wait);
    else wait.done();
    return promise;
  }

  /** Closes at once. What was received stays. */
  close(error: Error | null): void {
    if (this.closed) return;
    this.closed = true;
    this.error = error;
    const guard = guardOf(this.loop);
    for (const step of CLOSING) guard.attempt(step, this);
  }

  static {
    // Each runs whatever the one before has thrown: another caller waits for it.
    CLOSING = [
      (core) => {
        core.transport.close(core.error);
      },
      (core) => {
        core.reader.close();
      },
      (core) => {
        core.#writer?.close();
      },
      (core) => {
        core.#endConnecting()?.done.reject(core.closedError());
      },
      (core) => {
        core.#announceClose();
      },
      (core) => {
        const watch = core.#takeWatch();
        watch?.watcher.onClosed(watch.watched);
      },
    ];
  }

  /**
   * Gives the transport away, and what else a stream that continues on it needs. Nothing can be read
   * here afterwards, not even what had arrived. The caller sets {@link move}.
   */
  moveOut(): Moved {
    const { transport, limits, reader, allowHalfOpen } = this;
    const callback = this.#closeCallback;
    const watch = this.#takeWatch();
    this.#closeCallback = null;
    this.closed = true;
    reader.close();
    this.#writer?.close();
    return { transport, limits, callback, watch, allowHalfOpen, unread: reader.takeUnread() };
  }

  /** Replaces the close callback; at once announced if the stream is closed. */
  setCloseCallback(callback: CloseCallback | null): void {
    this.#closeCallback = callback;
    if (this.closed) this.#announceClose();
  }

  /**
   * Calls `watcher.onClosed(watched)` once, when the stream is closed; at once if it is. There is one:
   * no closure and no list, which every connection of a server would have.
   */
  watch<T>(watcher: Watcher<T>, watched: T): void {
    if (this.closed) {
      watcher.onClosed(watched);
      return;
    }
    this.#watcher = watcher as Watcher<unknown>;
    this.#watched = watched;
  }

  closedError(partial?: Buffer): StreamClosedError {
    return streamClosed(this.error, partial);
  }

  endedError(partial?: Buffer): StreamClosedError {
    const staysOpen = this.allowHalfOpen && !this.#writeEnded;
    if (this.closed && (this.error !== null || staysOpen)) return this.closedError(partial);
    return streamEnded(staysOpen);
  }

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
    if (this.#connecting !== null && !this.#connectEnded(this.#connecting)) return;
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

  onEof(): void {
    if (this.closed || (this.allowHalfOpen && !this.#writeEnded)) return;
    // An end that is on its way is waited for: `end()` resolves when the peer ends at the same time.
    if (this.unsent === 0 && this.#writer?.isEnding !== true) {
      this.close(null);
      return;
    }
    // What was written is sent first; what cannot be, closes it with its error.
    this.writer.shutdown().then(
      () => {
        this.close(null);
      },
      () => {},
    );
  }

  onHangUp(): void {
    const error = this.transport.takeError();
    if (error !== null) this.close(error);
  }

  onReadError(errno: number): void {
    this.close(systemError(errno, 'read'));
  }

  onWriteError(errno: number): void {
    // A send in the turn that has received ECONNRESET says EPIPE.
    const { failure } = this.transport;
    if (failure < 0) this.onReadError(failure);
    else this.close(systemError(errno, 'write'));
  }

  retryLater(retry: () => void): void {
    this.loop.callLater(NO_MEMORY_RETRY, retry);
  }

  onFailure(error: Error): void {
    this.close(error);
  }

  /** The connection attempt has ended: whether it stands. */
  #connectEnded({ address }: Connecting): boolean {
    const error = this.transport.connectResult(address);
    if (error === null) this.#endConnecting()?.stand();
    else this.close(error);
    return error === null;
  }

  endWriting(): Error | null {
    try {
      this.transport.shutdownWrite();
      return null;
    } catch (error) {
      return error as Error;
    }
  }

  onWriteEnd(): void {
    this.#writeEnded = true;
    if (this.reader.ended || this.transport.socket === null) this.close(null);
  }

  #takeWatch(): Watch | null {
    const watcher = this.#watcher;
    const watched = this.#watched;
    this.#watcher = this.#watched = null;
    return watcher === null ? null : { watcher, watched };
  }

  #endConnecting(): Connecting | null {
    const connecting = this.#connecting;
    this.#connecting = null;
    connecting?.wait?.done();
    return connecting;
  }

  #announceClose(): void {
    const callback = this.#closeCallback;
    this.#closeCallback = null;
    if (callback !== null) this.loop.addCallback(callback, this.error);
  }
}

/** A connection attempt. */
interface Connecting {
  readonly address: Address;
  readonly stand: () => void;
  readonly done: { readonly promise: Promise<unknown>; reject(error: unknown): void };
  readonly wait: Wait | null;
}

/** Anything can be thrown; streams close with an `Error`. */
export function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

/** The inside of an `IOStream`. */
export function coreOf(stream: { readonly [INTERNALS]: Stream }): Stream {
  return stream[INTERNALS];
}
