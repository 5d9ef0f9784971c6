/** Streams of bytes with Tornado's reads, on sockets and on any descriptor. */
import type { PeerCertificate, TLSSocket } from 'node:tls';
import type { Address } from '../sockets/address.js';
import { capture } from '../loop/async-context.js';
import { invalidArgType, StreamClosedError, streamBusy, toError } from '../support/errors.js';
import type { FdLike } from '../sockets/fd.js';
import { ioOf } from '../loop/internals.js';
import type { IOLoop } from '../loop/ioloop.js';
import { expectToRun } from '../loop/not-running.js';
import type { Socket } from '../sockets/socket.js';
import { IOStreamDuplex, type DuplexOptions } from './adapters/duplex.js';
import { SSLIOStreamDuplex } from './adapters/tls-duplex.js';
import { attachStream, detachStream } from './detach.js';
import type { DetachedToken } from '../sockets/detached.js';
import { createStream } from './debug-stream.js';
import { checkEndOptions } from './end-options.js';
import type { FdTransport } from './fd-transport.js';
import { limitedRead } from './limited-read.js';
import { DescriptorTransport } from './rearmed-transport.js';
import { checkBoolean, checkInteger, checkOptions } from '../support/checks.js';
import { quietFor } from '../support/deferred.js';
import {
  NO_OPTIONS,
  refusesBuffered,
  streamSettings,
  type IOStreamOptions,
  type ReadBytesOptions,
  type ReadCountOptions,
  type ReadOptions,
  type ReadUntilCloseOptions,
  type StreamingCallback,
  type ReadUntilOptions,
  type StartTlsOptions,
  type StreamSettings,
} from './options.js';
import { proxyHeaderOf, type ProxyHeader } from './proxy-header.js';
import { bytesRead, intoRead, isPlain, peekRead, regexRead, untilRead } from './read-arguments.js';
import { Copied, ReadUntilClose, readBytes, type Read } from './reads.js';
import { INSPECT, viewOf } from '../support/inspect.js';
import { INTERNALS } from '../support/internals.js';
import type { CloseCallback } from './ownership.js';
import { sendFile, type FileSource, type SendFileOptions } from './send-file.js';
import { coreOf, Stream } from './stream.js';
import { stateOf } from './stream-view.js';
import { streamingRead } from './streaming-read.js';
import { startTls } from './tls/start-tls.js';
import type { Data } from './data.js';
import { isLimited, limited, type WaitOptions } from '../loop/wait.js';
import { toWeb, type WebStreamPair } from './adapters/web-streams.js';
import { ChunkIterator } from './chunk-iterator.js';
import { MemoryTransport } from './memory-transport.js';
import type { Connection } from './protocols/connection.js';
import type { MakeStream } from './protocols/inflow.js';
import { pushTo } from './protocols/convert.js';
import type { Protocol } from './protocols/protocol.js';
import { transportOn } from './transports.js';

/**
 * A buffered stream of bytes on a non-blocking socket, or on any other descriptor that can be
 * watched. It moves bytes while its loop runs.
 *
 * Every failure is a rejection; nothing is thrown at the call. There is one read at a time. Any
 * number of writes can wait, and they are sent in order. The caller owns the results of reads.
 * Pieces of up to 4 KiB are copied by a write; do not change a longer one until its promise is
 * settled.
 *
 * At most one chunk is received before a read asks for it. A disconnect is noticed without a read.
 *
 * Differs from Tornado: reads reject instead of throwing, `readUntilClose` rejects after an unclean
 * end, a cancelled read loses no bytes, and EOF does not drop unsent bytes.
 */
export class IOStream implements AsyncDisposable, AsyncIterable<Buffer> {
  readonly #core: Stream;

  /**
   * A stream that owns `socket`, which is connected, or not yet: see {@link connect}.
   *
   * @throws `ERR_INVALID_ARG_TYPE` unless it is a {@link Socket} (see {@link fromFd} for other
   * descriptors), `ERR_OUT_OF_RANGE` for options; `EBADF` for a closed socket, `EEXIST` for one
   * that has a handler. The socket is not closed then.
   */
  constructor(socket: Socket, options?: IOStreamOptions);
  /** @internal */
  constructor(stream: Stream);
  constructor(from: Socket | Stream, options: IOStreamOptions = NO_OPTIONS) {
    this.#core = from instanceof Stream ? from : streamOn(from, streamSettings(options));
    this.#core.onFace(this);
  }

  /**
   * A stream on any descriptor that can be watched: a pipe, a pty, a FIFO, a serial line, a socket.
   * The stream owns the descriptor and makes it non-blocking. A terminal is at EOF when its other
   * side has closed.
   *
   * Files with records (inotify, eventfd, timerfd, signalfd, evdev, a pipe in packet mode) are read
   * with room for at least 4,096 bytes, so that no record is refused or truncated. The stream joins
   * the records; their format has their lengths.
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
      new IOStream(createStream(settings, transport));
    return DescriptorTransport.adopt(ioOf(settings.loop), fd, open);
  }

  /**
   * Two streams that are joined in memory, without descriptors and system calls: what one writes, the
   * other reads. For tests, and for code that takes a stream. `options` are those of the first,
   * `others` of the second, by default the same; they may be in different loops of this thread.
   *
   * They behave as streams on `Socket.pair()`: a write resolves when the other side has room, about
   * 64 KiB before it reads; a close is EOF there, and with unread bytes `ECONNRESET`. `socket` is
   * `null`; {@link fileno} and {@link detach} throw `ERR_IOLOOP_UNSUPPORTED`.
   *
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE` for options; `ERR_IOLOOP_CLOSED`.
   */
  static pair(
    options: IOStreamOptions = NO_OPTIONS,
    others: IOStreamOptions = options,
  ): [IOStream, IOStream] {
    const [near, far] = [streamSettings(options), streamSettings(others)];
    const [first, second] = MemoryTransport.pair(ioOf(near.loop), ioOf(far.loop));
    return [new IOStream(createStream(near, first)), new IOStream(createStream(far, second))];
  }

  /**
   * The stream of a token of {@link detach}, or of {@link Socket.detach}, in a loop of this thread.
   * It continues with the unread bytes. The options that are left out are those of the detached stream.
   *
   * @throws `ERR_IOLOOP_ATTACHED` if the token was attached before, by any thread;
   * `ERR_IOLOOP_SENDER_ENDED` if the thread that detached it has ended; `ERR_IOLOOP_OTHER_PROCESS`;
   * `ERR_INVALID_ARG_TYPE` and `ERR_INVALID_ARG_VALUE` if it is not a token. As the constructor; the
   * token can then be attached later, but the descriptor is closed with this thread.
   */
  static attach(token: DetachedToken, options: IOStreamOptions = NO_OPTIONS): IOStream {
    return new IOStream(attachStream(token, options));
  }

  /** The loop that moves the stream's bytes. */
  get loop(): IOLoop {
    return this.#core.loop;
  }

  /** The socket; `null` if the descriptor is not a socket. */
  get socket(): Socket | null {
    return this.#core.transport.socket;
  }

  /**
   * The header of the PROXY protocol that the connection has begun with; `null` without one, and on
   * servers without the option `proxyProtocol`. `startTls()` keeps it.
   */
  get proxyHeader(): ProxyHeader | null {
    return proxyHeaderOf(this.socket);
  }

  /** The descriptor; -1 if the stream is closed. */
  fileno(): number {
    return this.#core.closed ? -1 : this.#core.transport.fileno();
  }

  /** True if the stream is closed or detached. Bytes that were received before can still be read. */
  get closed(): boolean {
    return this.#core.closed;
  }

  /** True if a read waits. */
  get reading(): boolean {
    return this.#core.reader.reading;
  }

  /** True if the kernel has not taken all written bytes. */
  get writing(): boolean {
    this.#core.regain();
    return this.#core.unsent > 0;
  }

  /** True after EOF. Buffered bytes can still be read. */
  get ended(): boolean {
    return this.#core.reader.ended;
  }

  /**
   * The error that closed the stream; `null` while it is open, after EOF, and after `close()`
   * without error.
   */
  get error(): Error | null {
    return this.#core.error;
  }

  /** The number of received bytes that are unread. */
  get readBufferSize(): number {
    return this.#core.reader.buffered;
  }

  /**
   * The number of unsent bytes, plus the cost of waiting writes: while the kernel has no room, 128
   * for each write of up to 4 KiB (over TLS 512 for each write), about the size of its promise.
   * `maxWriteBufferSize` limits this sum; the watermarks count only the bytes.
   */
  get writeBufferSize(): number {
    this.#core.regain();
    return this.#core.held;
  }

  /** True from the high watermark of unsent bytes down to the low one; {@link drain} then waits. */
  get congested(): boolean {
    return this.#core.congested;
  }

  /**
   * Connects. Bytes that are written meanwhile are sent afterwards. The host is an IP address; use
   * `TCPClient` for names.
   *
   * Rejects and closes the stream with a `StreamClosedError` whose `realError` is the reason, a
   * `TimeoutError`, or the signal's reason. Rejects with `ERR_IOLOOP_STREAM_BUSY` if the stream is
   * connected.
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
   * Reads exactly `count` bytes; with `partial` at least one and at most `count`, or
   * `maxBufferSize` if that is less. A result of less than 16 KiB shares memory, see `copy`.
   *
   * Rejects with a {@link StreamClosedError} if the stream ends before; with `ERR_OUT_OF_RANGE` if
   * `count` exceeds `maxBufferSize`, unless `partial`, or with a `streamingCallback`.
   */
  readBytes(count: number, options?: ReadCountOptions): Promise<Buffer> {
    const { reader, limits } = this.#core;
    const { maxBufferSize } = limits;
    const isCount = Number.isInteger(count) && count >= 0 && count <= maxBufferSize;
    // The usual call, once per message: without a closure.
    if (isCount && options === undefined) return reader.read(readBytes(count, false));
    if (isCount && isPlain(options) && options.partial === true) {
      return reader.read(readBytes(count, true));
    }
    if (isStreaming(options)) return this.#streaming('readBytes', count, options);
    return this.#read(() => bytesRead(count, options, limits), options);
  }

  /**
   * Fills `buffer`, any typed array or `DataView`, or with `partial` at least one byte of it.
   * Resolves to the number of bytes. Leave the buffer alone until the promise is settled. The bytes
   * of a cancelled read stay for the next one.
   */
  readInto(buffer: NodeJS.ArrayBufferView, options?: ReadBytesOptions): Promise<number> {
    return this.#read(() => intoRead(buffer, options), options);
  }

  /**
   * Reads through `delimiter`. If it is not found within `maxBytes`, the stream is closed and the
   * read rejects with a {@link StreamClosedError} whose `realError` is an `UnsatisfiableReadError`;
   * see `closeOnLimit`.
   */
  readUntil(delimiter: string | Uint8Array, options?: ReadUntilOptions): Promise<Buffer> {
    return this.#read(() => untilRead(delimiter, options, this.#core.limits), options);
  }

  /**
   * Reads through the first match of `regex` in the received bytes, one character per byte
   * (Latin-1). A match that more bytes would have extended is taken as it is. Limited as {@link
   * readUntil}, by default to 65,536 bytes: each arrival searches from the start, so the work is up
   * to the square of `maxBytes`.
   *
   * A regular expression that backtracks (`/^(a+)+$/`) takes exponential time on input that a peer
   * chooses. It blocks the thread, and no timeout ends it. Prefer {@link readUntil} for protocols.
   */
  readUntilRegex(regex: RegExp, options?: ReadUntilOptions): Promise<Buffer> {
    return this.#read(() => regexRead(regex, options, this.#core.limits), options);
  }

  /**
   * Reads everything to EOF. Rejects with a {@link StreamClosedError}, whose `partial` has the
   * received bytes, if the connection breaks, the stream is closed locally, or `maxBufferSize` is
   * exceeded.
   */
  readUntilClose(options?: ReadUntilCloseOptions): Promise<Buffer> {
    if (isStreaming(options)) return this.#streaming('readUntilClose', Infinity, options);
    return this.#read(() => new ReadUntilClose(), options);
  }

  async #streaming(
    name: 'readBytes' | 'readUntilClose',
    count: number,
    options: StreamingOptions,
  ): Promise<Buffer> {
    if (count !== Infinity) checkInteger('count', count, 0, Number.MAX_SAFE_INTEGER);
    return streamingRead(this.#core, name, count, options.streamingCallback, options);
  }

  /** A copy of the next `count` bytes, by default one. The bytes stay unread. */
  peek(count = 1, options?: WaitOptions): Promise<Buffer> {
    return this.#read(() => peekRead(count, this.#core.limits), options);
  }

  /**
   * Iterates to EOF over chunks of up to `readChunkSize` bytes, as they arrive. `timeout` limits the
   * wait for each chunk, without the time of the loop body. A broken connection, a timeout or an
   * aborted signal throws in the iteration.
   *
   * Leaving the iteration keeps the stream open and loses no bytes.
   *
   * ```js
   * for await (const chunk of stream.chunks({ timeout: 30, signal })) consume(chunk);
   * ```
   */
  chunks(options?: ReadOptions): AsyncGenerator<Buffer, undefined, undefined> {
    return options === undefined ? new ChunkIterator(this.#core) : this.#limitedChunks(options);
  }

  async *#limitedChunks(options: ReadOptions): AsyncGenerator<Buffer, undefined, undefined> {
    checkOptions(options);
    const { limits, reader } = this.#core;
    const { timeout, signal, copy } = options;
    const read = { timeout, signal, copy, partial: true };
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

  /** The same as {@link chunks} without options. */
  [Symbol.asyncIterator](): AsyncGenerator<Buffer, undefined, undefined> {
    return this.chunks();
  }

  /**
   * Writes a string (as UTF-8), a typed array or a `DataView`, or a list of them. Resolves when the
   * kernel has taken the last byte. Small writes of one turn are sent together at its end.
   * Cancelling the wait does not cancel the write.
   *
   * Pieces of up to 4 KiB are copied at once, also those of a list. Longer ones are sent from the
   * caller's memory: do not change them until the promise is settled. If such a buffer is detached
   * or becomes shorter, the stream is closed with `ERR_IOLOOP_BUFFER_DETACHED`.
   *
   * Rejects with `ERR_IOLOOP_BUFFER_FULL` if `maxWriteBufferSize` would be exceeded, and the stream
   * is unchanged; with a {@link StreamClosedError} if the stream is closed before the bytes are
   * sent, or was closed before. The latter is not an unhandled rejection if it is not awaited: a peer
   * closes the connection at any time.
   */
  write(data: Data | readonly Data[], options?: WaitOptions): Promise<void> {
    if (options === undefined) return this.#core.writer.write(data);
    return this.#limited(options, 'write', () => this.#core.writer.write(data));
  }

  /**
   * {@link write} without a promise: returns true if more can be written, and false above the high
   * watermark, for {@link drain}. Also returns false, and drops the data, if the writing side is ended
   * or closed: a read, or the close callback, has the reason.
   *
   * @throws `ERR_IOLOOP_BUFFER_FULL` if `maxWriteBufferSize` would be exceeded, `ERR_INVALID_ARG_TYPE`,
   * `ERR_IOLOOP_BUFFER_DETACHED`. Nothing of the data is taken then.
   */
  send(data: Data | readonly Data[]): boolean {
    return this.#core.send(data);
  }

  /**
   * Sends a regular file, or a part of it, in the place of a write: after earlier writes and before
   * later ones, which wait in copies, for `maxWriteBufferSize`. Resolves to the number of bytes when the
   * kernel has the last one. A thread of Node's pool reads the file, 128 KiB at a time and one chunk
   * ahead, so that a slow disk does not block the loop and a slow peer costs no memory.
   *
   * Sends exactly the bytes from `offset` on, up to the end at the time of the call or `length` of them,
   * also if the file grows. If it becomes shorter meanwhile, the stream is closed with
   * `ERR_IOLOOP_FILE_SHRANK`, and its peer is reset; so it is by a read error, a timeout and an abort,
   * once a part is sent.
   *
   * Rejects with the error of `open(2)`; with `ERR_OUT_OF_RANGE` for a range beyond the end,
   * `ERR_INVALID_ARG_VALUE` for what is not a regular file, `ERR_INVALID_ARG_TYPE`; the stream is
   * unchanged then. Rejects with a {@link StreamClosedError} as {@link write}. A `FileHandle` is not
   * closed, and its position is not used.
   */
  sendFile(file: FileSource, options?: SendFileOptions): Promise<number> {
    try {
      return sendFile(this.#core, file, options);
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  /** Resolves at or below the low watermark of unsent bytes; at once if not {@link congested}. */
  drain(options?: WaitOptions): Promise<void> {
    return this.#limited(options, 'drain', () => this.#core.writer.drain());
  }

  /**
   * Half-close: ends the writing side after all written bytes, so that the peer reads EOF. Reading
   * continues until EOF. Idempotent.
   */
  shutdownWrite(options?: WaitOptions): Promise<void> {
    return this.#limited(options, 'shutdownWrite', () => this.#core.writer.shutdown());
  }

  /**
   * Sends all written bytes, then closes the stream. Resolves when it is closed. A peer that is still
   * sending is reset by that, and may lose them: call {@link shutdownWrite} and read to EOF first. If the
   * wait is cancelled or sending fails, the stream is closed and the promise rejects. A failure to send is not
   * an unhandled rejection if it is not awaited.
   *
   * Takes no data, unlike `end()` of `net.Socket`: call {@link write} before. Rejects with
   * `ERR_INVALID_ARG_TYPE` for data, a function and wrong options; the stream is unchanged then.
   */
  end(options?: WaitOptions): Promise<void> {
    try {
      checkEndOptions(options);
    } catch (error) {
      return Promise.reject(error as Error);
    }
    return this.#core.watchWait('end', this.#quiet(this.#end(options)));
  }

  async #end(options: WaitOptions | undefined): Promise<void> {
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
   * Closes the stream at once. Unsent bytes are offered to the kernel once more; those that it does
   * not take are dropped. Use {@link end} to send all. Waiting operations reject with a {@link
   * StreamClosedError}; received bytes can still be read. Idempotent.
   *
   * `error` becomes {@link IOStream.error}. A handshake of {@link startTls} is cancelled.
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

  /**
   * Ends the use of the connection in this thread. Returns a token, with which one call of {@link
   * attach}, in any thread, continues with it: with the unread bytes, the options, the header of the
   * PROXY protocol, and what has ended (EOF, {@link shutdownWrite}). See {@link Socket.detach}.
   *
   * Afterwards the stream is {@link closed}, and its methods fail with `ERR_IOLOOP_DETACHED`, except
   * {@link close} and {@link end}, which do nothing. The close callback is not called, as the
   * connection is open. A server counts the connection no longer.
   *
   * If the number of the descriptor was read, or was passed to {@link fromFd}, the file gets another
   * number, and the object that had it is closed.
   *
   * @throws `ERR_IOLOOP_STREAM_BUSY` if it is not connected yet, while a read waits, while bytes are
   * unsent (await {@link write}), and after {@link toDuplex} or {@link toWeb};
   * `ERR_IOLOOP_UNSUPPORTED` for a stream with TLS; `EMFILE`, `ENOMEM`. The stream is unchanged then.
   * `ERR_IOLOOP_STREAM_CLOSED` if it is closed, also by EOF; its unread bytes can still be read.
   */
  detach(): DetachedToken<'stream'> {
    return detachStream(this.#core);
  }

  /** Calls {@link end}, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }

  /**
   * Sets the function that the loop calls with {@link IOStream.error} once the stream is closed; in
   * the next turn if it is closed already. Replaces the previous one; `null` removes it.
   */
  setCloseCallback(callback: CloseCallback | null): void {
    if (callback !== null && typeof callback !== 'function') {
      throw invalidArgType('callback', callback, 'a function or null');
    }
    this.#core.assertAttached();
    const context = capture();
    this.#core.setCloseCallback(
      callback === null || context === null
        ? callback
        : (error) => context.runInAsyncScope(callback, undefined, error) as unknown,
    );
  }

  /**
   * The stream as a `Duplex` with the members and events of `net.Socket`, for `http.Server`, `ws`,
   * `pipeline` and database drivers. The duplex takes over reading and writing.
   *
   * Like `net.Socket`, it closes after EOF unless `allowHalfOpen` is true, here or in the options
   * of the stream.
   *
   * @throws `ERR_IOLOOP_STREAM_BUSY` while a read waits, and if it was taken over before;
   * `ERR_INVALID_ARG_TYPE`. The stream is unchanged then.
   */
  toDuplex(options?: DuplexOptions): IOStreamDuplex {
    checkOptions(options);
    this.#core.assertAttached();
    return new IOStreamDuplex(this, this.#core, options);
  }

  /**
   * The stream as a pair of web streams, which take over reading and writing. Each side ends
   * separately; the stream is closed when both have ended.
   *
   * @throws `ERR_IOLOOP_STREAM_BUSY` as {@link toDuplex}.
   */
  toWeb(): WebStreamPair {
    this.#core.assertAttached();
    return toWeb(this, this.#core);
  }

  /**
   * Goes on with a {@link Protocol}, whose functions get the bytes from now on, unread ones first. Bytes
   * that are unsent are sent, and their promises stay. This stream is closed. `state()` and `open()` are
   * called before the method returns. The close callback is called as well.
   *
   * @throws `ERR_IOLOOP_STREAM_BUSY` until it is connected, while a read waits, and after
   * {@link toDuplex} or {@link toWeb}; `ERR_IOLOOP_STREAM_CLOSED`; `ERR_INVALID_ARG_TYPE`. The stream is
   * unchanged then.
   */
  setProtocol<State = undefined>(protocol: Protocol<State>): Connection<State> {
    return pushTo(this.#core, protocol, makeStream) as Connection<State>;
  }

  /**
   * Starts TLS on the connection. Resolves after the handshake to a new stream, which takes over
   * the close callback; this stream is closed. A server checks the certificate of the client as
   * `tls.Server` does with the same options, before the promise resolves.
   *
   * Unread bytes are the start of the handshake, or are refused: see `buffered` of {@link
   * StartTlsOptions}. Neither stream returns them.
   *
   * Rejects with `ERR_IOLOOP_STREAM_BUSY` until the stream is connected, while a read waits or bytes
   * are unsent, and with argument errors; the stream is then unchanged. If the handshake fails or is
   * cancelled, rejects with its error, and the connection is closed.
   */
  async startTls(options: StartTlsOptions = {}): Promise<SSLIOStream> {
    checkOptions(options);
    const core = this.#core;
    core.assertIdle('startTls()');
    if (refusesBuffered(options) && core.reader.buffered > 0) {
      throw streamBusy('startTls()', 'bytes were received and not read');
    }
    try {
      return await startTls(core, options, (stream, socket) => new SSLIOStream(stream, socket));
    } catch (error) {
      if (options.signal?.aborted === true && error === options.signal.reason) this.close(error);
      throw error;
    }
  }

  /** Sets `TCP_NODELAY`: small packets are sent at once. No effect on other streams than TCP. */
  setNodelay(value: boolean): void {
    this.#setOption('noDelay', value);
  }

  /**
   * Sets `SO_KEEPALIVE`, and the idle seconds before the first probe. No effect on other streams
   * than TCP.
   */
  setKeepalive(value: boolean, idleSeconds?: number): void {
    this.#setOption('keepAlive', value);
    if (value && idleSeconds !== undefined) this.#setOption('keepAliveIdle', idleSeconds);
  }

  /** Quiet as the writer's promise, if the stream is closed. */
  #limited(
    options: WaitOptions | undefined,
    what: string,
    begin: () => Promise<void>,
  ): Promise<void> {
    if (options === undefined) return begin();
    return this.#core.watchWait(what, this.#quiet(limited(this.loop, options, what, begin)));
  }

  #quiet(promise: Promise<void>): Promise<void> {
    return quietFor(promise, (error) => this.#core.isQuiet(error));
  }

  /** Checks the options inside, so that errors reject. */
  #read<T>(make: () => Read<T>, options: ReadOptions | undefined): Promise<T> {
    const core = this.#core;
    try {
      checkOptions(options);
      const isCopy = checkBoolean('copy', options?.copy, false);
      const read = isCopy ? new Copied(make()) : make();
      return isLimited(options)
        ? limitedRead(core.loop, core.reader, read, options)
        : core.reader.read(read);
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  /** @internal For `util.inspect`. */
  [INSPECT](): object {
    return viewOf(this, #core in this ? stateOf(this.#core) : {}, { hidden: ['tlsSocket'] });
  }

  /** @internal For the classes of this package that are built on streams. */
  get [INTERNALS](): Stream {
    return this.#core;
  }

  #setOption(name: 'noDelay' | 'keepAlive' | 'keepAliveIdle', value: boolean | number): void {
    const { socket } = this;
    this.#core.assertAttached();
    if (socket === null || this.closed || 'path' in socket.localAddress) return;
    socket.setOption(name, value);
  }
}

/**
 * An {@link IOStream} with TLS, after the handshake, made by `startTls`, `TCPClient` and
 * `TCPServer`. A client verifies the certificate and the name of its server unless
 * `rejectUnauthorized` is false.
 *
 * EOF counts only with `close_notify`. Without it an attacker on the path may have cut the connection:
 * the stream is closed with `ERR_IOLOOP_TLS_TRUNCATED`, and received bytes can be read.
 */
export class SSLIOStream extends IOStream {
  /** Node's socket, for the certificates, the cipher and the protocol. */
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
   * True if the certificate of the peer was verified. False on a server without `requestCert`.
   */
  get authorized(): boolean {
    return this.tlsSocket.authorized;
  }

  /** The code of the verification error, such as `CERT_HAS_EXPIRED`; `null` without one. */
  get authorizationError(): string | null {
    const { authorizationError: error } = this.tlsSocket as { authorizationError: unknown };
    if (error === null || error === undefined) return null;
    return String((error as { code?: unknown }).code ?? error);
  }

  /** The server name that the client sent (SNI); `null` without one. */
  get servername(): string | null {
    const { servername } = this.tlsSocket as { servername?: unknown };
    return typeof servername === 'string' ? servername : null;
  }

  /** The protocol that ALPN selected; `null` without one. */
  get alpnProtocol(): string | null {
    const { alpnProtocol } = this.tlsSocket;
    return typeof alpnProtocol === 'string' ? alpnProtocol : null;
  }

  /** The certificate of the peer; `null` if it sent none. */
  get peerCertificate(): PeerCertificate | null {
    const certificate = this.tlsSocket.getPeerCertificate() as PeerCertificate | undefined;
    return certificate === undefined || Object.keys(certificate).length === 0 ? null : certificate;
  }

  /** @internal For `util.inspect`. */
  override [INSPECT](): object {
    return Object.assign(super[INSPECT](), { protocol: this.tlsSocket?.getProtocol() ?? null });
  }

  /** As {@link IOStream.toDuplex}, with the members of `tls.TLSSocket` too. */
  override toDuplex(options?: DuplexOptions): SSLIOStreamDuplex {
    checkOptions(options);
    return new SSLIOStreamDuplex(this, coreOf(this), options);
  }

  /** Resolves to the stream, whose handshake is always complete. For compatibility with Tornado. */
  waitForHandshake(options?: WaitOptions): Promise<this> {
    return limited(this.loop, options, 'handshake', () => Promise.resolve(this));
  }
}

function streamOn(socket: Socket, settings: StreamSettings): Stream {
  return createStream(settings, transportOn(ioOf(settings.loop), socket));
}

/** The stream that goes on with a connection, whose watcher watches it from now on. */
export const makeStream: MakeStream = (settings, transport, sides, watcher, replaced) => {
  const core = createStream(settings, transport);
  core.takeOver(sides);
  const { tlsSocket } = transport;
  const stream = tlsSocket === null ? new IOStream(core) : new SSLIOStream(core, tlsSocket);
  if (watcher === null) return stream;
  watcher.onReplaced?.(replaced, stream);
  core.watch<unknown>(watcher, stream);
  return stream;
};

type StreamingOptions = ReadCountOptions & { readonly streamingCallback: StreamingCallback };

function isStreaming(options: ReadUntilCloseOptions | undefined): options is StreamingOptions {
  return options?.streamingCallback !== undefined;
}
