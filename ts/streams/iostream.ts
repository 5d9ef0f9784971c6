/** Streams of bytes with Tornado's reads, on sockets and on any descriptor. */
import type { PeerCertificate, TLSSocket } from 'node:tls';
import type { Address } from '../sockets/address.js';
import { capture } from '../loop/async-context.js';
import { invalidArgType, StreamClosedError, streamBusy } from '../support/errors.js';
import type { FdLike } from '../sockets/fd.js';
import { ioOf } from '../loop/internals.js';
import type { IOLoop } from '../loop/ioloop.js';
import { expectToRun } from '../loop/not-running.js';
import type { Socket } from '../sockets/socket.js';
import { IOStreamDuplex, type DuplexOptions } from './adapters/duplex.js';
import { SSLIOStreamDuplex } from './adapters/tls-duplex.js';
import {
  alpnProtocolOf,
  authorizationErrorOf,
  peerCertificateOf,
  servernameOf,
} from './tls/session.js';
import { FdTransport } from './fd-transport.js';
import { checkBoolean, checkOptions } from '../support/checks.js';
import {
  NO_OPTIONS,
  refusesBuffered,
  streamSettings,
  type IOStreamOptions,
  type ReadBytesOptions,
  type ReadOptions,
  type ReadUntilOptions,
  type StartTlsOptions,
  type StreamSettings,
} from './options.js';
import { bytesRead, intoRead, isPlain, peekRead, regexRead, untilRead } from './read-arguments.js';
import { Copied, ReadUntilClose, readBytes, type Read } from './reads.js';
import { INTERNALS } from '../support/internals.js';
import { coreOf, Stream, toError, type CloseCallback } from './stream.js';
import type { Data } from './data.js';
import { isLimited, limited, type WaitOptions } from '../loop/wait.js';
import { toWeb, type WebStreamPair } from './adapters/web-streams.js';

/**
 * A buffered stream of bytes on a non-blocking socket, or on any other descriptor that can be
 * watched.
 *
 * Every failure is a rejection, never thrown. There is one read at a time; writes may be many, and
 * go out in their order. What is read is yours. Of what is written, up to 4 KiB are copied at once;
 * what is longer is sent from where it is, so leave it alone until its promise is settled.
 *
 * Nothing is received before a read asks for it, beyond one chunk. That the peer has closed is
 * noticed in any case.
 *
 * Differs from Tornado: failed reads are never thrown, an end that was not clean fails
 * `readUntilClose`, a read that was given up loses nothing, and a peer's end does not drop what was
 * written.
 */
export class IOStream implements AsyncDisposable, AsyncIterable<Buffer> {
  readonly #core: Stream;

  /**
   * A stream on `socket`, which it owns from now on. The socket is connected, or {@link connect}
   * is called first.
   *
   * @throws `ERR_INVALID_ARG_TYPE` unless it is a {@link Socket} (see {@link fromFd} for other
   * descriptors), `ERR_OUT_OF_RANGE` for options; `EBADF` for a closed socket, `EEXIST` for one that
   * has a handler. The socket is not closed then.
   */
  constructor(socket: Socket, options?: IOStreamOptions);
  /** @internal */
  constructor(stream: Stream);
  constructor(from: Socket | Stream, options: IOStreamOptions = NO_OPTIONS) {
    this.#core = from instanceof Stream ? from : streamOn(from, streamSettings(options));
  }

  /**
   * A stream on any descriptor that can be watched: a pipe, a pty, a FIFO, a serial line, a
   * socket. It becomes non-blocking and is owned by the stream. A terminal whose other side has
   * closed ends.
   *
   * Files that give whole records (inotify, eventfd, timerfd, signalfd, evdev, a pipe in packet mode)
   * are read with room for 4,096 bytes at least, so that no record is refused or cut off.
   * Their bytes come as those of any stream: how long a record is, its format says.
   *
   * @throws `ERR_IOLOOP_UNSUPPORTED` for a socket with messages (UDP, `SOCK_SEQPACKET`), which a
   * stream would join: use `Socket.fromFd()` with {@link IOLoop.addHandler}; `EPERM` for a regular
   * file and `/dev/null`; `EBADF`; `ERR_IOLOOP_FD_BUSY` for one of Node's own streams that is
   * consumed, or has data; and as the constructor.
   */
  static fromFd(fd: FdLike, options: IOStreamOptions = NO_OPTIONS): IOStream {
    // Before the descriptor is touched.
    const settings = streamSettings(options);
    const open = (transport: FdTransport): IOStream =>
      new IOStream(new Stream(settings, transport));
    return FdTransport.adopt(ioOf(settings.loop), fd, open);
  }

  /** The loop that moves the stream's bytes. */
  get loop(): IOLoop {
    return this.#core.loop;
  }

  /** The socket below; `null` when there is none, as on a pipe. */
  get socket(): Socket | null {
    return this.#core.transport.socket;
  }

  /** The descriptor; -1 when the stream is closed. */
  fileno(): number {
    return this.#core.closed ? -1 : this.#core.transport.fileno();
  }

  /** Whether the stream is closed. What was received before can still be read. */
  get closed(): boolean {
    return this.#core.closed;
  }

  /** Whether a read is waiting. */
  get reading(): boolean {
    return this.#core.reader.reading;
  }

  /** Whether something that was written is not with the kernel yet. */
  get writing(): boolean {
    return this.#core.unsent > 0;
  }

  /** Whether the peer has ended its side; what is buffered can still be read. */
  get ended(): boolean {
    return this.#core.reader.ended;
  }

  /** What has closed the stream; `null` while it is open, and when its peer or its owner did. */
  get error(): Error | null {
    return this.#core.error;
  }

  /** Bytes that were received and not read. */
  get readBufferSize(): number {
    return this.#core.reader.buffered;
  }

  /**
   * Bytes that were written and are not with the kernel, and what counts beside them: when the
   * kernel has no room, 128 for each further write of up to 4 KiB (512 for any over TLS), about
   * what its promise takes. `maxWriteBufferSize` limits this sum; the watermarks are for the
   * bytes alone.
   */
  get writeBufferSize(): number {
    return this.#core.writer.held;
  }

  /** Whether more than the high watermark waits to be sent, and {@link drain} would wait. */
  get congested(): boolean {
    return this.#core.writer.congested;
  }

  /**
   * Connects. What is written meanwhile is sent afterwards. The host is an IP address; names are
   * resolved by `TCPClient`.
   *
   * Rejects with a `StreamClosedError` whose `realError` says why, and the stream is closed; with
   * a `TimeoutError` or the signal's reason in the same way; with `ERR_IOLOOP_STREAM_BUSY` when it
   * is connected already.
   */
  connect(address: Address, options?: WaitOptions): Promise<this> {
    try {
      const connecting = this.#core.connect(this, address, options);
      if (!this.loop.running) {
        const connected = expectToRun(this.loop, 'connect()');
        connecting.then(connected, connected);
      }
      return connecting;
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  /**
   * Exactly `count` bytes; with `partial` what is there, at least one and at most `count`, or
   * `maxBufferSize` if that is less. The memory of a result that is smaller than 16 KiB is shared, see
   * `copy`.
   *
   * Rejects with a {@link StreamClosedError} when the stream ends before; with `ERR_OUT_OF_RANGE`
   * for more than `maxBufferSize`, unless `partial`.
   */
  readBytes(count: number, options?: ReadBytesOptions): Promise<Buffer> {
    const { reader, limits } = this.#core;
    const { maxBufferSize } = limits;
    const isCount = Number.isInteger(count) && count >= 0 && count <= maxBufferSize;
    // What most programs do for each message, without the closure.
    if (isCount && options === undefined) return reader.read(readBytes(count, false));
    if (isCount && isPlain(options) && options.partial === true) {
      return reader.read(readBytes(count, true));
    }
    return this.#read(() => bytesRead(count, options, limits), options);
  }

  /**
   * Fills `buffer`, or with `partial` at least one byte of it: resolves to the number of bytes. Any
   * typed array and a `DataView` will do; they are filled byte by byte. The memory belongs to the
   * stream until the promise is settled. The bytes of a read that is given up stay for the next one.
   */
  readInto(buffer: NodeJS.ArrayBufferView, options?: ReadBytesOptions): Promise<number> {
    return this.#read(() => intoRead(buffer, options), options);
  }

  /**
   * Everything up to `delimiter`, and with it. When it does not come within `maxBytes` the stream
   * is closed, and the read rejects with a {@link StreamClosedError} whose `realError` is an
   * `UnsatisfiableReadError`; see `closeOnLimit`.
   */
  readUntil(delimiter: string | Uint8Array, options?: ReadUntilOptions): Promise<Buffer> {
    return this.#read(() => untilRead(delimiter, options, this.#core.limits), options);
  }

  /**
   * Everything up to the end of the first match of `regex`, whose characters stand for one byte
   * each (Latin-1). What has arrived decides: a match that more bytes would have made longer is
   * taken as it is. Limited as {@link readUntil}, to 65,536 bytes by default: whatever arrives makes
   * it search from the start, so the work is up to the square of `maxBytes`.
   *
   * A regular expression that backtracks (`/^(a+)+$/`) takes exponential time on bytes that a peer
   * chooses. It blocks the thread, and no timeout ends it. For protocols prefer {@link readUntil}.
   */
  readUntilRegex(regex: RegExp, options?: ReadUntilOptions): Promise<Buffer> {
    return this.#read(() => regexRead(regex, options, this.#core.limits), options);
  }

  /**
   * Everything, when the peer has ended its side. When the connection breaks, the stream is closed
   * here, or more than `maxBufferSize` comes, it rejects with a {@link StreamClosedError} that
   * carries what had arrived as `partial`.
   */
  readUntilClose(options?: ReadOptions): Promise<Buffer> {
    return this.#read(() => new ReadUntilClose(), options);
  }

  /** A copy of the next `count` bytes, by default one, which stay to be read. */
  peek(count = 1, options?: WaitOptions): Promise<Buffer> {
    return this.#read(() => peekRead(count, this.#core.limits), options);
  }

  /**
   * Iterates over the chunks as they arrive, of up to `readChunkSize` bytes, until EOF. `timeout` is
   * the longest to wait for each chunk; time that the loop's body takes does not count. A connection
   * that breaks, a timeout and an aborted signal throw out of the iteration.
   *
   * Leaving the iteration, in whatever way, leaves the stream open and loses no byte.
   *
   * ```js
   * for await (const chunk of stream.chunks({ timeout: 30, signal })) consume(chunk);
   * ```
   */
  async *chunks(options?: ReadOptions): AsyncGenerator<Buffer, undefined, undefined> {
    checkOptions(options);
    const { limits, reader } = this.#core;
    const { timeout, signal, copy } = options ?? {};
    const read = options === undefined ? PARTIAL : { timeout, signal, copy, partial: true };
    for (;;) {
      let chunk: Buffer;
      try {
        chunk = await this.readBytes(limits.readChunkSize, read);
      } catch (error) {
        const isEnd = error instanceof StreamClosedError && reader.ended;
        if (isEnd && this.#core.error === null) return undefined;
        throw error;
      }
      yield chunk;
    }
  }

  /** {@link chunks} without limits. */
  [Symbol.asyncIterator](): AsyncGenerator<Buffer, undefined, undefined> {
    return this.chunks();
  }

  /**
   * Writes bytes (a string as UTF-8, any typed array, a `DataView`), or several in their order.
   * Resolves when the last of them is with the kernel; what is written in one turn leaves together
   * at its end. A wait that is given up takes nothing back.
   *
   * Pieces of up to 4 KiB are copied at once, also those of a list. Longer ones are sent from where
   * they are: leave them alone until the promise is settled. One whose buffer is detached or
   * becomes shorter meanwhile closes the stream with `ERR_IOLOOP_BUFFER_DETACHED`.
   *
   * Rejects with `ERR_IOLOOP_BUFFER_FULL` when more than `maxWriteBufferSize` would wait, and the
   * stream is as before; with a {@link StreamClosedError} when it is closed, or is before the bytes
   * are sent. Such a failure is quiet when nobody awaits it.
   */
  write(data: Data | readonly Data[], options?: WaitOptions): Promise<void> {
    if (options === undefined) return this.#core.writer.write(data);
    return limited(this.loop, options, 'write', () => this.#core.writer.write(data));
  }

  /** Resolves when no more than the low watermark waits to be sent, at once if not congested. */
  drain(options?: WaitOptions): Promise<void> {
    return limited(this.loop, options, 'drain', () => this.#core.writer.drain());
  }

  /**
   * Ends the writing side, after what was written: the peer reads the end. Reading goes on, until
   * the peer has ended too. Calling it again does nothing more.
   */
  shutdownWrite(options?: WaitOptions): Promise<void> {
    return limited(this.loop, options, 'shutdownWrite', () => this.#core.writer.shutdown());
  }

  /**
   * Sends what was written, and closes the stream; resolves when it is closed. When the wait is
   * given up, or the sending fails, it is closed all the same, and the promise rejects.
   */
  async end(options?: WaitOptions): Promise<void> {
    if (this.#core.closed) {
      this.close();
      return;
    }
    try {
      await this.shutdownWrite(options);
    } finally {
      this.close();
    }
  }

  /**
   * Closes the stream at once. What was written is offered to the kernel once more, and what it
   * does not take is dropped: {@link end} sends it. Whatever waits rejects with a
   * {@link StreamClosedError}; what was received can still be read. Closing again does nothing.
   *
   * `error` is what the stream is closed for: its {@link IOStream.error}. While {@link startTls} waits, its
   * handshake is given up with it.
   */
  close(error: unknown = null): void {
    const reason = error === null || error === undefined ? null : toError(error);
    if (this.#core.closed) {
      this.#core.move?.abandon(reason);
      return;
    }
    if (reason === null) this.#core.flush();
    this.#core.close(reason);
    this.#core.adapter?.destroy(reason ?? undefined);
  }

  /** {@link end}, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }

  /**
   * Calls `callback(error)` once when the stream is closed, on the loop; at once in its next turn
   * if it is closed already. There is one: setting another replaces it, `null` removes it.
   */
  setCloseCallback(callback: CloseCallback | null): void {
    if (callback !== null && typeof callback !== 'function') {
      throw invalidArgType('callback', callback, 'a function or null');
    }
    const context = capture();
    this.#core.setCloseCallback(
      callback === null || context === null
        ? callback
        : (error) => context.runInAsyncScope(callback, undefined, error) as unknown,
    );
  }

  /**
   * The stream as a `Duplex` with the members and events of `net.Socket`, for `http.Server`, `ws`,
   * `pipeline` and drivers of databases. It takes over the reading and writing.
   *
   * As on `net.Socket`, it is closed after the peer's end unless `allowHalfOpen` is true, here or
   * among the options of the stream.
   *
   * @throws `ERR_INVALID_ARG_TYPE`.
   */
  toDuplex(options?: DuplexOptions): IOStreamDuplex {
    checkOptions(options);
    return new IOStreamDuplex(this, this.#core, options);
  }

  /**
   * The stream as a pair of web streams, which take over the reading and writing. Each side ends
   * by itself; the stream is closed when both have ended.
   */
  toWeb(): WebStreamPair {
    return toWeb(this, this.#core);
  }

  /**
   * Goes on with TLS: resolves to the stream that replaces this one, after the handshake. The close
   * callback moves along; this stream is closed. A server refuses the certificate of a client as
   * `tls.Server` does with the same options: before the promise resolves.
   *
   * Bytes that were received and not read are the beginning of the handshake, or refused: see
   * `buffered` of {@link StartTlsOptions}. They can be read from neither stream.
   *
   * Rejects with `ERR_IOLOOP_STREAM_BUSY` while it connects, a read waits or something is still to be
   * sent, and with the error of wrong options; the stream is as before then. A handshake that fails or is
   * given up rejects with its error as it is, and the connection is closed.
   */
  async startTls(options: StartTlsOptions = {}): Promise<SSLIOStream> {
    checkOptions(options);
    const core = this.#core;
    core.assertIdle('startTls()');
    // Bytes that arrive while the module is loaded belong to the handshake.
    if (refusesBuffered(options) && core.reader.buffered > 0) {
      throw streamBusy('startTls()', 'bytes were received and not read');
    }
    try {
      // Few programs need it, and it takes time to load.
      const { startTls } = await import('./tls/start-tls.js');
      return await startTls(core, options, (stream, socket) => new SSLIOStream(stream, socket));
    } catch (error) {
      if (options.signal?.aborted === true && error === options.signal.reason) this.close(error);
      throw error;
    }
  }

  /** `TCP_NODELAY`: whether small packets are sent at once. Nothing happens on other streams. */
  setNodelay(value: boolean): void {
    this.#setOption('noDelay', value);
  }

  /** `SO_KEEPALIVE`, and the seconds of silence before the first probe. */
  setKeepalive(value: boolean, idleSeconds?: number): void {
    this.#setOption('keepAlive', value);
    if (value && idleSeconds !== undefined) this.#setOption('keepAliveIdle', idleSeconds);
  }

  /** The options are looked at here, so that what is wrong with them rejects. */
  #read<T>(make: () => Read<T>, options: ReadOptions | undefined): Promise<T> {
    const core = this.#core;
    try {
      checkOptions(options);
      const isCopy = checkBoolean('copy', options?.copy, false);
      const read = isCopy ? new Copied(make()) : make();
      return isLimited(options) ? core.limitedRead(read, options) : core.reader.read(read);
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  /** @internal For the classes of this package that are built on streams. */
  get [INTERNALS](): Stream {
    return this.#core;
  }

  #setOption(name: 'noDelay' | 'keepAlive' | 'keepAliveIdle', value: boolean | number): void {
    const { socket } = this;
    if (socket === null || this.closed || 'path' in socket.localAddress) return;
    socket.setOption(name, value);
  }
}

/**
 * An {@link IOStream} with TLS, as `startTls` and `TCPClient` make it, after the handshake. A client
 * verifies the certificate of its server and its name, unless `rejectUnauthorized` is false.
 *
 * EOF is only the end of the stream when the peer has announced it (`close_notify`). Without that
 * anyone on the way could have cut the connection: the stream is closed with
 * `ERR_IOLOOP_TLS_TRUNCATED`, and what had arrived can be read.
 */
export class SSLIOStream extends IOStream {
  /** Node's socket, which knows the certificates, the cipher and the protocol. */
  readonly tlsSocket: TLSSocket;

  /** @internal */
  constructor(stream: Stream, socket: TLSSocket) {
    super(stream);
    this.tlsSocket = socket;
  }

  /** True: the connection is encrypted. */
  get encrypted(): true {
    return true;
  }

  /**
   * Whether the certificate of the peer was verified. A server that does not ask for one
   * (`requestCert`) has false.
   */
  get authorized(): boolean {
    return this.tlsSocket.authorized;
  }

  /** The code of the verification's error, such as `CERT_HAS_EXPIRED`; `null` without one. */
  get authorizationError(): string | null {
    return authorizationErrorOf(this.tlsSocket);
  }

  /** The name that the client has asked for (SNI); `null` without one. */
  get servername(): string | null {
    return servernameOf(this.tlsSocket);
  }

  /** The protocol that was agreed on by ALPN; `null` without one. */
  get alpnProtocol(): string | null {
    return alpnProtocolOf(this.tlsSocket);
  }

  /** The certificate of the peer; `null` if it has sent none. */
  get peerCertificate(): PeerCertificate | null {
    return peerCertificateOf(this.tlsSocket);
  }

  /** As of {@link IOStream}, with the members of `tls.TLSSocket` too. */
  override toDuplex(options?: DuplexOptions): SSLIOStreamDuplex {
    checkOptions(options);
    return new SSLIOStreamDuplex(this, coreOf(this), options);
  }

  /** Resolves to the stream: the handshake is over when there is one. As documented for Tornado. */
  waitForHandshake(options?: WaitOptions): Promise<this> {
    return limited(this.loop, options, 'handshake', () => Promise.resolve(this));
  }
}

function streamOn(socket: Socket, settings: StreamSettings): Stream {
  return new Stream(settings, FdTransport.on(ioOf(settings.loop), socket));
}

/**
 * A stream on `socket` with options that were checked before: the connections of a server share
 * them.
 *
 * @throws As the constructor of {@link IOStream}.
 */
export function acceptedStream(socket: Socket, settings: StreamSettings): IOStream {
  return new IOStream(streamOn(socket, settings));
}

const PARTIAL: ReadBytesOptions = { partial: true };
