/** Servers: a stream for each connection. */
import type { SecureContextOptions, Server, TlsOptions } from 'node:tls';
import type { Address } from '../sockets/address.js';
import { secondsOf } from '../support/duration.js';
import {
  invalidArgType,
  outOfRange,
  serverState,
  StreamClosedError,
  unsupported,
} from '../support/errors.js';
import type { Entry } from '../loop/guard.js';
import { guardOf } from '../loop/internals.js';
import { IOLoop } from '../loop/ioloop.js';
import { expectToRun } from '../loop/not-running.js';
import type { Socket } from '../sockets/socket.js';
import { Deferred } from '../support/deferred.js';
import { coreOf, IOStream } from '../streams/iostream.js';
import type { Watcher } from '../streams/stream.js';
import { checkBoolean, checkInteger, checkOptions } from '../support/checks.js';
import type { IOStreamOptions } from '../streams/options.js';
import { createTlsServer } from '../streams/tls/tls-servers.js';
import { checkWait, limited, type WaitOptions } from '../loop/wait.js';
import { Acceptor, MAX_BATCH } from './acceptor.js';
import { bindSockets, type BindOptions } from './bind.js';
import { StreamQueue } from './stream-queue.js';

/** Called for each connection. */
export type StreamHandler = (stream: IOStream, address: Address) => unknown;

/** Options of {@link TCPServer}. The options of streams are those of its connections. */
export interface TCPServerOptions extends IOStreamOptions {
  /** Called for each connection; a subclass may override the method of this name instead. */
  readonly handleStream?: StreamHandler | undefined;
  /**
   * Options of `tls.createServer()` (`cert`, `key`, `ca`, `requestCert`, `SNICallback` …): connections
   * speak TLS. A certificate that they refuse never reaches `handleStream`.
   */
  readonly tls?: TlsOptions | undefined;
  /** Seconds that a TLS handshake may take, by default 10. Handshakes count as connections. */
  readonly handshakeTimeout?: number | undefined;
  /** Most connections at a time: further ones wait in the backlog. By default unlimited. */
  readonly maxConnections?: number | undefined;
  /** Most connections that one turn accepts from a socket, by default 128. */
  readonly acceptBatch?: number | undefined;
  /** Whether small packets are sent at once (`TCP_NODELAY`), by default true. */
  readonly nodelay?: boolean | undefined;
}

/** Options of {@link TCPServer.stop}. */
export interface StopOptions extends WaitOptions {
  /** Whether to wait for the connections to close. */
  readonly drain?: boolean | undefined;
}

/**
 * A TCP server. Give it a `handleStream`, override that method, or iterate over its streams:
 *
 * ```js
 * for await (const stream of server) serve(stream);
 * ```
 *
 * A `handleStream` that throws or rejects has its stream closed, and is reported to the loop, unless
 * it is with the `StreamClosedError` of its own stream (the peer has ended or gone, or has sent more
 * than was allowed) or with the reason of a signal that the program has aborted.
 * Otherwise the stream is left as it is when it returns.
 */
export class TCPServer implements AsyncDisposable, AsyncIterable<IOStream> {
  /** The loop that accepts connections and runs their handlers. */
  readonly loop: IOLoop;
  /**
   * The server's side of `node:tls`, which listens nowhere; `null` without the option `tls`. It has
   * `addContext()`, `setTicketKeys()` and the events `'tlsClientError'`, `'keylog'`, `'newSession'` and
   * so on; not `'secureConnection'`, as connections are streams here.
   */
  readonly tlsServer: Server | null;
  readonly #options: TCPServerOptions;
  readonly #streamOptions: IOStreamOptions;
  readonly #acceptors = new Map<Socket, Acceptor>();
  readonly #streams = new Set<IOStream>();
  /** Bound and not started. */
  #bound: Socket[] = [];
  #stopped = false;
  /** Aborted when the server is stopped: handshakes wait by it. */
  readonly #stopping = new AbortController();
  /** Takes back that the loop is expected to run. */
  #started: (() => void) | null = null;
  #drained: Deferred | null = null;
  /** Accepted, for the iterator. */
  readonly #accepted: StreamQueue;
  #iterated = false;
  #warned = false;

  /**
   * `options` may be the `handleStream` alone, as `net.createServer()` takes it.
   *
   * @throws What `node:tls` says of the TLS options; `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`.
   */
  constructor(optionsOrHandler: TCPServerOptions | StreamHandler = {}) {
    const options =
      typeof optionsOrHandler === 'function'
        ? { handleStream: optionsOrHandler }
        : optionsOrHandler;
    checkOptions(options);
    const { handleStream, tls, maxConnections, acceptBatch, handshakeTimeout } = options;
    if (handleStream !== undefined && typeof handleStream !== 'function') {
      throw invalidArgType('handleStream', handleStream, 'a function');
    }
    if (maxConnections !== undefined && maxConnections !== Infinity) {
      checkInteger('maxConnections', maxConnections, 1, LARGEST);
    }
    if (acceptBatch !== undefined) checkInteger('acceptBatch', acceptBatch, 1, MAX_BATCH);
    if (handshakeTimeout !== undefined && secondsOf(handshakeTimeout, 'handshakeTimeout') <= 0) {
      throw outOfRange('handshakeTimeout', handshakeTimeout, 'more than 0');
    }
    checkBoolean('nodelay', options.nodelay, true);
    if (tls !== undefined && (typeof tls !== 'object' || tls === null)) {
      throw invalidArgType('tls', tls, 'an object: the options of tls.createServer()');
    }
    this.loop = options.loop ?? IOLoop.current();
    this.#options = options;
    this.#streamOptions = { ...options, loop: this.loop };
    this.#accepted = new StreamQueue(this.loop);
    this.tlsServer = tls === undefined ? null : createTlsServer(withTimeout(tls, options));
  }

  /** The addresses that the server listens on. */
  get addresses(): Address[] {
    return Array.from(this.#acceptors.keys(), (socket) => socket.localAddress);
  }

  /** The port of the first TCP address that the server listens on; 0 when there is none. */
  get port(): number {
    const tcp = this.addresses.find((address) => 'port' in address);
    return tcp?.port ?? 0;
  }

  /** Connections that are open. */
  get connections(): number {
    return this.#streams.size;
  }

  /** Whether a lack of descriptors or memory has made it pause accepting. */
  get acceptPaused(): boolean {
    return [...this.#acceptors.values()].some(({ paused }) => paused);
  }

  /**
   * Called for each connection; with TLS after its handshake. By default calls the option of this
   * name; without one, streams are for the iterator.
   */
  handleStream(stream: IOStream, address: Address): unknown {
    return this.#options.handleStream?.(stream, address);
  }

  /**
   * Other certificates and keys, for connections from now on: as of `tls.Server`.
   *
   * @throws `ERR_IOLOOP_SERVER` for a server without TLS, and what `node:tls` says of the options.
   */
  setSecureContext(options: SecureContextOptions): void {
    if (this.tlsServer === null) throw serverState('The server was made without the option "tls"');
    this.tlsServer.setSecureContext(options);
  }

  /** Listens on `port`, at once; see {@link bindSockets}. May be called several times. */
  listen(port: number | string, address: string | null = null, options: BindOptions = {}): void {
    this.#assertNotStopped();
    this.addSockets(bindSockets(port, address, options));
  }

  /** Binds like {@link listen}, and accepts from {@link start} on. */
  bind(port: number | string, address: string | null = null, options: BindOptions = {}): void {
    this.#assertNotStopped();
    this.#bound.push(...bindSockets(port, address, options));
  }

  /**
   * Begins to accept on what was bound.
   *
   * @throws `ERR_IOLOOP_UNSUPPORTED` for more than one process: use `node:cluster`, or workers
   * with `reusePort`.
   */
  start(processes = 1): void {
    this.#assertNotStopped();
    if (processes !== 1) {
      throw unsupported(
        'start() with several processes',
        'Use node:cluster, or workers that each listen with reusePort',
      );
    }
    const bound = this.#bound;
    this.#bound = [];
    this.addSockets(bound);
  }

  /** Accepts on listening sockets, which the server owns from now on. */
  addSockets(sockets: Iterable<Socket>): void {
    for (const socket of sockets) this.addSocket(socket);
  }

  /** Accepts on a listening socket, which the server owns from now on. */
  addSocket(socket: Socket): void {
    this.#assertNotStopped();
    const batch = this.#options.acceptBatch ?? DEFAULT_BATCH;
    const acceptor = new Acceptor(this.loop, socket, this.#onAccept, batch);
    acceptor.onLost = (error) => {
      this.#acceptors.delete(socket);
      guardOf(this.loop).report(null, error);
    };
    if (this.#isIterated() && !this.#iterated) acceptor.onWaiting = this.#onWaiting;
    this.#acceptors.set(socket, acceptor);
    this.#started ??= expectToRun(this.loop, 'A TCPServer that listens');
    this.#regulate();
  }

  /**
   * Stops listening, at once. Connections live on; with `drain` the promise resolves when they
   * have all closed, and when it is given up (`timeout`, `signal`) the rest is closed, and it
   * resolves all the same. Stopping again waits again.
   */
  async stop(options: StopOptions = {}): Promise<void> {
    checkWait(options);
    this.#stopListening();
    if (options.drain !== true || this.#streams.size === 0) return;
    const drained = (this.#drained ??= new Deferred());
    try {
      await limited(this.loop, options, 'stop', () => drained.promise);
    } catch {
      for (const stream of this.#streams) stream.close();
    }
  }

  /** Stops, and closes the connections, after what was written to them is sent. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopListening();
    await Promise.allSettled(Array.from(this.#streams, (stream) => stream.end({ timeout: 1 })));
  }

  /**
   * Iterates over the streams of connections as they come, until the server is stopped. `timeout` is
   * the longest to wait for each; it and the abort of `signal` throw out of the iteration. Leaving the
   * iteration, in whatever way, stops the server; streams that it has given live on.
   *
   * ```js
   * for await (const stream of server.streams({ signal })) serve(stream);
   * ```
   */
  async *streams(options?: WaitOptions): AsyncGenerator<IOStream, undefined, undefined> {
    this.#iterated = true;
    for (const acceptor of this.#acceptors.values()) acceptor.onWaiting = null;
    try {
      for (;;) {
        this.#regulate();
        const stream = await this.#accepted.take(options);
        if (stream === null) return undefined;
        yield stream;
      }
    } finally {
      this.#stopListening();
    }
  }

  /** {@link streams} without limits. */
  [Symbol.asyncIterator](): AsyncGenerator<IOStream, undefined, undefined> {
    return this.streams();
  }

  readonly #onAccept = (connection: Socket, address: Address): void => {
    if (this.#options.nodelay !== false && 'host' in address) setNodelay(connection);
    const stream = new IOStream(connection, this.#streamOptions);
    this.#streams.add(stream);
    coreOf(stream).watch(this.#watcher, stream);
    this.#regulate();
    if (this.tlsServer !== null) void this.#handshake(stream, address, this.tlsServer);
    else this.#handle(stream, address);
  };

  /** A connection without a handler has come, and there may be an iteration yet. */
  readonly #onWaiting = (): void => {
    this.loop.callLater(UNTAKEN_WARNING, () => {
      if (this.#iterated || this.#stopped || this.#warned) return;
      this.#warned = true;
      process.emitWarning(
        'A connection waits, and the TCPServer has no handleStream: pass one, override it, or ' +
          'iterate over the server',
        { code: 'IOLOOP_SERVER_UNHANDLED' },
      );
    });
  };

  async #handshake(stream: IOStream, address: Address, server: Server): Promise<void> {
    const { handshakeTimeout: timeout = DEFAULT_HANDSHAKE } = this.#options;
    const { signal } = this.#stopping;
    let secure: IOStream;
    try {
      secure = await stream.startTls({ serverSide: true, server, timeout, signal });
    } catch {
      // Scanners, strangers and old clients: `tlsServer` has an event for them.
      stream.close();
      return;
    }
    // Stopped in the tick in which the handshake was completed.
    if (this.#stopped) secure.close();
    else this.#handle(secure, address);
  }

  #handle(stream: IOStream, address: Address): void {
    if (this.#isIterated()) {
      this.#accepted.offer(stream);
      return;
    }
    guardOf(this.loop).enter(this.#handler, stream, address);
  }

  readonly #handler: Entry<IOStream, Address> = {
    call: (stream, address) => this.handleStream(stream, address),
    onFailure: (error, accepted) => {
      const stream = latestOf(accepted);
      if (!isOwnClose(stream, error)) {
        guardOf(this.loop).fail(this.#options.handleStream ?? null, error);
      }
      stream.close(error);
    },
  };

  /** A connection counts until it is closed, whichever stream it has by then. */
  readonly #watcher: Watcher<IOStream> = {
    onClosed: (stream) => {
      this.#streams.delete(stream);
      this.#regulate();
      if (this.#streams.size > 0) return;
      this.#drained?.resolve();
      this.#drained = null;
    },
    onReplaced: (stream, next) => {
      this.#streams.delete(stream);
      this.#streams.add(next as IOStream);
    },
  };

  /** Whether streams are for the iterator: there is no handler. */
  #isIterated(): boolean {
    const isOverridden = this.handleStream !== TCPServer.prototype.handleStream;
    return !isOverridden && this.#options.handleStream === undefined;
  }

  /** Accepts while more connections are allowed, and a handler or the iterator takes them. */
  #regulate(): void {
    const { maxConnections = Infinity } = this.#options;
    const isFull = this.#streams.size >= maxConnections;
    const isUntaken =
      this.#isIterated() && (!this.#iterated || this.#accepted.length >= MOST_UNTAKEN);
    for (const acceptor of this.#acceptors.values()) {
      acceptor.hold(isFull || (isUntaken && acceptor.onWaiting === null));
    }
  }

  #stopListening(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#started?.();
    for (const [socket, acceptor] of this.#acceptors) {
      acceptor.close();
      socket.close();
    }
    this.#acceptors.clear();
    for (const socket of this.#bound) socket.close();
    this.#bound = [];
    this.#accepted.close();
    this.#stopping.abort(serverState('The server was stopped'));
  }

  #assertNotStopped(): void {
    if (this.#stopped) throw serverState('The server was stopped. Make another one');
  }
}

/** The stream that the connection of `stream` has now: `startTls()` replaces it. */
function latestOf(stream: IOStream): IOStream {
  const { successor } = coreOf(stream);
  return successor instanceof IOStream ? latestOf(successor) : stream;
}

/** True if `error` says only that `stream` has ended or was closed: `stream.error` has the reason. */
function isOwnClose(stream: IOStream, error: unknown): boolean {
  if (!(error instanceof StreamClosedError)) return false;
  return (stream.closed || stream.ended) && error.realError === stream.error;
}

const LARGEST = 2 ** 31 - 1;
const DEFAULT_BATCH = 128;
const DEFAULT_HANDSHAKE = 10;

/** Accepted connections that wait for the iterator. */
const MOST_UNTAKEN = 128;

/** Seconds that a connection waits for an iteration before a warning. */
const UNTAKEN_WARNING = 1;

/** The timeout of `node:tls` is a further one: it is not to come before that of the server. */
function withTimeout(tls: TlsOptions, { handshakeTimeout }: TCPServerOptions): TlsOptions {
  if (tls.handshakeTimeout !== undefined || handshakeTimeout === undefined) return tls;
  const milliseconds = 1e3 * handshakeTimeout + NODE_HANDSHAKE;
  return { ...tls, handshakeTimeout: Math.min(Math.ceil(milliseconds), LARGEST) };
}

/** Milliseconds: the default of `node:tls`. */
const NODE_HANDSHAKE = 120_000;

/** A connection that was reset already has no options on some systems: its reads tell. */
function setNodelay(connection: Socket): void {
  try {
    connection.setOption('noDelay', true);
  } catch (error) {
    if (!('syscall' in (error as Error))) throw error;
  }
}
