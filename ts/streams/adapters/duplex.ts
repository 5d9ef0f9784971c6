/** A stream as a `Duplex`. */
import type { AddressInfo } from 'node:net';
import { Duplex } from 'node:stream';
import type { Address } from '../../sockets/address.js';
import { invalidArgType, streamClosed, unsupported } from '../../support/errors.js';
import { nextTick, setImmediate } from '../../support/host.js';
import { INSPECT, viewOf } from '../../support/inspect.js';
import {
  addressInfo,
  connectTarget,
  familyOf,
  hostOf,
  portOf,
  resolveTarget,
  type DuplexConnectArguments,
  type DuplexConnectOptions,
} from './duplex-addresses.js';
import { emitClose, endWithPeer, reasonOf, type WriteCallback } from './duplex-endings.js';
import { encoded, encodedList, type DuplexChunk } from './duplex-chunks.js';
import { DuplexFlow } from './duplex-flow.js';
import { trackConnections, type TrackableServer } from './http-connections.js';
import { IdleTimer, idlePeriod } from './idle-timer.js';
import { clientAddressOf } from '../proxy-header.js';
import type { IOStream } from '../iostream.js';
import { checkBoolean } from '../../support/checks.js';
import type { Stream } from '../stream.js';

/** Options of `IOStream.toDuplex`. */
export interface DuplexOptions {
  /**
   * Keep the writing side open after EOF. By default the option of the stream, which is false by
   * default: after `'end'` unsent bytes are sent, then `'close'` is emitted.
   */
  readonly allowHalfOpen?: boolean | undefined;
}

/** The properties that each duplex has. A function: browsers load this file, and have no `Duplex`. */
function ownOfDuplex(): string[] {
  return [...Object.keys(new Duplex()), '_eventsCount', 'timeout', 'bytesRead'];
}

/** The state of a connection, as `net.Socket.readyState`. */
export type DuplexReadyState = 'opening' | 'open' | 'readOnly' | 'writeOnly' | 'closed';

/**
 * A `Duplex` over an {@link IOStream} with the members and events of `net.Socket`. Back-pressure,
 * half-close and `destroy()` apply to the stream; closing the stream destroys the duplex.
 *
 * Not an instance of `net.Socket`, whose class needs a libuv handle. Differences: there is no
 * `_handle`; `ref()` and `unref()` do nothing; `connect()` of a connected stream only emits
 * `'connect'`; a destroyed duplex cannot connect again; `remoteAddress` stays known after the
 * close.
 */
export class IOStreamDuplex extends Duplex {
  /** Milliseconds without activity before `'timeout'`; undefined before {@link setTimeout}. */
  timeout: number | undefined = undefined;
  /** The number of received bytes. */
  bytesRead = 0;
  readonly #stream: IOStream;
  readonly #core: Stream;
  readonly #flow: DuplexFlow;
  #remote: Address | null;
  #local: Address | null = null;
  #connecting = false;
  #server: unknown = undefined;

  /** @internal */
  constructor(stream: IOStream, core: Stream, options: DuplexOptions = {}) {
    const allowHalfOpen = checkBoolean('allowHalfOpen', options.allowHalfOpen, core.allowHalfOpen);
    // As net.Socket: a string is encoded when it is sent, into the memory that it is sent from.
    super({ allowHalfOpen, emitClose: false, decodeStrings: false });
    this.#stream = stream;
    this.#core = core;
    this.#flow = new DuplexFlow(this, core);
    // The duplex closes the stream when both of its sides have ended.
    core.adapt(this, 'toDuplex()');
    const { connected } = core.transport;
    this.#remote = stream.closed || !connected ? null : clientAddressOf(stream.socket);
    this.on('end', endWithPeer);
    if (core.connecting !== null) this.#awaitConnection(core.connecting);
    // As net.Socket: EOF and a reset are found before anything reads.
    else if (connected || stream.closed) this.read(0);
  }

  /** @internal For `util.inspect`: without the insides of Node's class. */
  [INSPECT](): object {
    const isMade = #stream in this;
    const view = isMade ? { readyState: this.readyState, stream: this.#stream } : {};
    return viewOf(this, view, { hidden: ownOfDuplex() });
  }

  /** The underlying stream. Do not read or write it beside the duplex. */
  get stream(): IOStream {
    return this.#stream;
  }

  /** True while {@link connect} is in progress. */
  get connecting(): boolean {
    return this.#connecting;
  }

  /**
   * True if the connection is not established: before {@link connect}, during it, and after the
   * close.
   */
  get pending(): boolean {
    return this.destroyed || this.#connecting || !this.#core.transport.connected;
  }

  /** `'opening'` while connecting, then which sides are open. */
  get readyState(): DuplexReadyState {
    if (this.#connecting) return 'opening';
    if (this.readable) return this.writable ? 'open' : 'readOnly';
    return this.writable ? 'writeOnly' : 'closed';
  }

  /** The number of written bytes, unsent ones included. */
  get bytesWritten(): number {
    return this.#flow.bytesWritten;
  }

  /** The number of unsent bytes; undefined after the close. */
  get bufferSize(): number | undefined {
    return this.destroyed ? undefined : this.writableLength;
  }

  /** False. A stream with TLS has an {@link SSLIOStreamDuplex}. */
  get encrypted(): boolean {
    return false;
  }

  /**
   * The IP address of the peer; undefined before the connection and for Unix sockets. After a header
   * of the PROXY protocol it is that of the client; so are the port and the family.
   */
  get remoteAddress(): string | undefined {
    return hostOf(this.#peer());
  }

  /** The port of the peer; undefined before the connection and for Unix sockets. */
  get remotePort(): number | undefined {
    return portOf(this.#peer());
  }

  /** `'IPv4'` or `'IPv6'`; undefined before the connection and for Unix sockets. */
  get remoteFamily(): string | undefined {
    return familyOf(this.#peer());
  }

  /** The local IP address; undefined after the close, as on `net.Socket`. */
  get localAddress(): string | undefined {
    return hostOf(this.#own());
  }

  /** The local port; undefined after the close, as on `net.Socket`. */
  get localPort(): number | undefined {
    return portOf(this.#own());
  }

  /** `'IPv4'` or `'IPv6'`; undefined after the close, as on `net.Socket`. */
  get localFamily(): string | undefined {
    return familyOf(this.#own());
  }

  /**
   * The server that serves this connection, whose connections are then counted. `node:http` sets
   * it.
   */
  get server(): unknown {
    return this.#server;
  }

  /** Sets the server that counts this connection. */
  set server(server: unknown) {
    this.#server = server;
    if (isServer(server)) trackConnections(server);
  }

  /** The local address, port and family; an empty object for a Unix socket and after the close. */
  address(): AddressInfo | Record<string, never> {
    return addressInfo(this.#own());
  }

  /**
   * Connects like `net.Socket.connect`: `'connect'` and `'ready'` are emitted, or `'error'`. If the
   * stream is connected already, the address is ignored, and both events are emitted in the next
   * tick.
   *
   * @throws `ERR_IOLOOP_STREAM_CLOSED` if the duplex is destroyed; `ERR_OUT_OF_RANGE` for a port,
   * `ERR_INVALID_ARG_VALUE` without a port or path.
   */
  connect(...args: DuplexConnectArguments): this {
    if (this.destroyed) throw streamClosed(this.errored);
    const { options, listener } = connectTarget(args);
    if (listener !== undefined) this.once('connect', listener);
    if (this.#connecting) return this;
    this.#flow.noteActivity();
    const { transport } = this.#core;
    this.#connecting = true;
    if (transport.connected) nextTick(this.#onConnect);
    else this.#connectTo(options);
    return this;
  }

  /**
   * Emits `'timeout'` after `milliseconds` without activity, and again only after further activity;
   * 0 disables it. `callback` is called for the first one.
   *
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`, as `net.Socket`.
   */
  setTimeout(milliseconds: number, callback?: () => void): this {
    if (this.destroyed) return this;
    const period = idlePeriod(milliseconds);
    if (callback !== undefined && typeof callback !== 'function') {
      throw invalidArgType('callback', callback, 'a function');
    }
    this.timeout = milliseconds;
    if (period === 0) {
      this.#flow.timer?.stop();
      if (callback !== undefined) this.removeListener('timeout', callback);
      return this;
    }
    this.#flow.timer ??= new IdleTimer(
      () => void this.emit('timeout'),
      () => this.#core.unsent,
    );
    this.#flow.timer.start(period);
    if (callback !== undefined) this.once('timeout', callback);
    return this;
  }

  /** Sets `TCP_NODELAY`: small packets are sent at once. */
  setNoDelay(value = true): this {
    this.#stream.setNodelay(Boolean(value));
    return this;
  }

  /** Sets `SO_KEEPALIVE`; `initialDelay`, in milliseconds, is rounded down to seconds. */
  setKeepAlive(value = false, initialDelay = 0): this {
    const seconds = Math.floor(initialDelay / 1e3);
    this.#stream.setKeepalive(Boolean(value), seconds > 0 ? seconds : undefined);
    return this;
  }

  /** Does nothing: the running loop keeps the process alive, not its streams. */
  ref(): this {
    return this;
  }

  /** Does nothing: the running loop keeps the process alive, not its streams. */
  unref(): this {
    return this;
  }

  /** Ends the writing side, and closes when all bytes are sent. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', () => this.destroy());
  }

  /**
   * Closes by a reset, which the peer reads as `ECONNRESET`. Unsent bytes are dropped.
   *
   * @throws `ERR_IOLOOP_UNSUPPORTED` unless it is a TCP connection.
   */
  resetAndDestroy(): this {
    if (this.destroyed) return this;
    const { socket } = this.#stream;
    if (socket === null || !('host' in socket.localAddress)) {
      throw unsupported('resetAndDestroy() of what is not TCP', 'Use destroy()');
    }
    if (this.#connecting) return this.once('connect', () => this.resetAndDestroy());
    socket.setOption('linger', 0);
    return this.destroy();
  }

  /** @internal */
  override _read(): void {
    if (this.#connecting) this.once('connect', this.#flow.receive);
    else this.#flow.receive();
  }

  /** @internal */
  override _write(chunk: Buffer | string, encoding: BufferEncoding, done: WriteCallback): void {
    this.#flow.send(encoded(chunk, encoding), done);
  }

  /** @internal */
  override _writev(chunks: DuplexChunk[], done: WriteCallback): void {
    this.#flow.send(encodedList(chunks), done);
  }

  /** @internal */
  override _final(done: WriteCallback): void {
    this.#flow.end(done);
  }

  /** @internal */
  override _destroy(error: Error | null, done: WriteCallback): void {
    this.#flow.timer?.clear();
    this.#flow.timer = null;
    this.#connecting = false;
    // As net.Socket, which sends in write(): an answer such as "408" precedes the close for an error.
    if (!this.#stream.closed) this.#core.flush();
    this.#stream.close(error);
    done(error);
    setImmediate(() => emitClose(this, error !== null));
  }

  #connectTo(options: DuplexConnectOptions): void {
    const local = this.#stream.socket?.localAddress ?? { path: '' };
    try {
      resolveTarget(options, local, (error, address, name) => {
        if (name !== undefined) {
          this.emit('lookup', error, hostOf(address), familyOf(address) === 'IPv6' ? 6 : 4, name);
        }
        if (this.destroyed) return;
        if (address === null) this.destroy(error ?? undefined);
        else this.#awaitConnection(this.#stream.connect(address));
      });
    } catch (error) {
      this.#connecting = false;
      throw error;
    }
  }

  #awaitConnection(connection: Promise<unknown>): void {
    this.#connecting = true;
    connection.then(
      () => nextTick(this.#onConnect),
      (error: Error) => this.destroy(reasonOf(error) ?? undefined),
    );
  }

  readonly #onConnect = (): void => {
    if (!this.#connecting) return;
    this.#connecting = false;
    this.#remote ??= this.#peer();
    this.#flow.noteActivity();
    this.emit('connect');
    this.emit('ready');
    if (this.readable && !this.isPaused()) this.read(0);
  };

  #peer(): Address | null {
    if (this.#remote !== null || this.destroyed) return this.#remote;
    return this.pending ? null : clientAddressOf(this.#stream.socket);
  }

  #own(): Address | null {
    if (this.destroyed || this.#stream.closed) return null;
    return (this.#local ??= this.pending ? null : (this.#stream.socket?.localAddress ?? null));
  }
}

function isServer(server: unknown): server is TrackableServer {
  return typeof server === 'object' && server !== null && 'listeners' in server;
}
