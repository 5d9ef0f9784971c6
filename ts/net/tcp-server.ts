/** `TCPServer`: a stream for each connection. */
import type { SecureContextOptions, Server } from 'node:tls';
import { serverState } from '../support/errors.js';
import type { Address } from '../sockets/address.js';
import type { Socket } from '../sockets/socket.js';
import { debug } from '../support/debug-log.js';
import { INSPECT, viewOf } from '../support/inspect.js';
import { INTERNALS } from '../support/internals.js';
import { countersOf } from '../loop/internals.js';
import type { IOLoop } from '../loop/ioloop.js';
import { expectToRun } from '../loop/not-running.js';
import { checkWait, limited, type WaitOptions } from '../loop/wait.js';
import type { IOStream } from '../streams/iostream.js';
import { createTlsServer } from '../streams/tls/tls-servers.js';
import { bindSockets, type BindOptions } from './bind.js';
import { Listeners } from './listeners.js';
import { addListening, removeListening } from './listening.js';
import {
  serverSettings,
  type ServerSettings,
  type StopOptions,
  type StreamHandler,
  type TCPServerOptions,
} from './server-options.js';
import { Serving } from './serving.js';
import { forkProcesses, type ForkProcessesOptions } from './workers/fork-processes.js';
import { taskId } from './workers/task.js';

/**
 * A TCP server. Pass a `handleStream`, override that method, or iterate over the streams:
 *
 * ```js
 * for await (const stream of server) serve(stream);
 * ```
 *
 * If `handleStream` throws or rejects, its stream is closed with the error, and the error goes to
 * {@link IOLoop.handleCallbackException}. Not reported are the `StreamClosedError` of its own stream
 * (the peer has ended or is gone, or has sent more than was allowed) and the reason of a signal that
 * the program has aborted. A TLS handshake that fails inside of `handleStream`, by `startTls()`, is
 * reported once, and again after 1 s, 2 s, 4 s … up to a minute while handshakes fail: peers cause
 * them at will. If `handleStream` returns, the stream stays as it is.
 *
 * Differs from Tornado: `handleStream` may be an option, the number of connections may be limited, and
 * {@link stop} can wait for them.
 */
export class TCPServer<State = undefined> implements AsyncDisposable, AsyncIterable<IOStream> {
  /** The loop of the server and its connections. */
  readonly loop: IOLoop;
  /**
   * The server of `node:tls` that makes the handshakes, and does not listen; `null` without the
   * option `tls`. It has `addContext()`, `setTicketKeys()` and the events `'tlsClientError'`,
   * `'keylog'`, `'newSession'` and so on, but not `'secureConnection'`: connections are streams here.
   */
  readonly tlsServer: Server | null;
  readonly #settings: ServerSettings;
  readonly #listeners: Listeners;
  readonly #serving: Serving;
  readonly #internals: ServerInternals = { onConnectionClosed: null };
  #stopped = false;
  /** Cancels the expectation that the loop runs. */
  #started: (() => void) | null = null;
  #iterated = false;
  #warned = false;

  /**
   * `options` may be the `handleStream` alone, as for `net.createServer()`.
   *
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`, and the errors of `tls.createServer()`.
   */
  constructor(options: TCPServerOptions<State> | StreamHandler = {}) {
    const settings = serverSettings(options as TCPServerOptions<unknown> | StreamHandler);
    const { loop, tls, acceptBatch } = settings;
    this.loop = loop;
    this.#settings = settings;
    this.tlsServer = tls === undefined ? null : createTlsServer(tls);
    this.#listeners = new Listeners(loop, this.#onAccept, acceptBatch);
    this.#serving = new Serving(this, settings, this.tlsServer, {
      onMore: () => {
        this.#regulate();
      },
      onFewer: () => {
        this.#regulate();
        this.#internals.onConnectionClosed?.();
        this.#leaveIfIdle();
      },
      isIterated: () => this.#isIterated(),
    });
  }

  /** The addresses on which the server listens. */
  get addresses(): Address[] {
    return this.#listeners.addresses;
  }

  /** The port of the first TCP address on which the server listens; 0 if there is none. */
  get port(): number {
    const tcp = this.addresses.find((address) => 'port' in address);
    return tcp?.port ?? 0;
  }

  /** The number of open connections. */
  get connections(): number {
    return this.#serving.size;
  }

  /** The option of this name; Infinity without it. */
  get maxConnections(): number {
    return this.#settings.maxConnections;
  }

  /** Whether the server was stopped. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /**
   * The number of connections that were closed because they had no valid header of the PROXY
   * protocol, or their peer is not trusted; 0 without the option `proxyProtocol`.
   */
  get proxyRefusals(): number {
    return this.#serving.proxyRefusals ?? 0;
  }

  /** Whether accepting is paused because descriptors or memory have run out. */
  get acceptPaused(): boolean {
    return this.#listeners.paused;
  }

  /**
   * Called for each connection; with the options `proxyProtocol` and `tls`, after its header and its
   * handshake. `address` is that of the peer, or that of the client in the header. By default calls the
   * option of this name. If there is neither an override nor the option, streams go to the iterator.
   */
  handleStream(stream: IOStream, address: Address): unknown {
    const { handleStream } = this.#settings;
    return handleStream?.(stream, address);
  }

  /**
   * Replaces certificates and keys for new connections, as `tls.Server.setSecureContext()`.
   *
   * @throws `ERR_IOLOOP_SERVER` for a server without TLS, and the errors of `node:tls`.
   */
  setSecureContext(options: SecureContextOptions): void {
    if (this.tlsServer === null) throw serverState('The server was made without the option "tls"');
    this.tlsServer.setSecureContext(options);
  }

  /**
   * Listens on `port`, and accepts from now on. May be called several times.
   *
   * @throws As {@link bindSockets}; `ERR_IOLOOP_SERVER` after {@link stop}.
   */
  listen(port: number | string, address: string | null = null, options: BindOptions = {}): void {
    this.#assertNotStopped();
    this.addSockets(bindSockets(port, address, options));
  }

  /** As {@link listen}, but accepts only after {@link start}. */
  bind(port: number | string, address: string | null = null, options: BindOptions = {}): void {
    this.#assertNotStopped();
    this.#listeners.bind(bindSockets(port, address, options));
  }

  /**
   * Begins to accept on the sockets of {@link bind}. With another number of `processes` than 1, as many
   * processes accept on them, by {@link forkProcesses}; 0 or `null` stands for one per CPU. Each of them
   * runs the program from its beginning, and the promise is resolved there. In the parent it never is:
   *
   * ```js
   * const server = new TCPServer(handleStream);
   * server.bind(8888);
   * await server.start(0);
   * await IOLoop.current().start(); // in each of the processes
   * ```
   *
   * Differs from Tornado: see {@link forkProcesses}.
   *
   * @throws `ERR_IOLOOP_SERVER` after {@link stop}, and with processes if {@link listen} was called; with
   * processes further as {@link forkProcesses}.
   */
  start(): void;
  start(processes: number | null, options?: ForkProcessesOptions): Promise<void>;
  start(processes: number | null = 1, options: ForkProcessesOptions = {}): Promise<void> {
    this.#assertNotStopped();
    if (processes === 1) {
      this.addSockets(this.#listeners.takeBound());
      return Promise.resolve();
    }
    if (this.#listeners.listening) {
      throw serverState(
        'The server listens already. Call bind() instead of listen() before start(n)',
      );
    }
    const sockets = this.#listeners.bound;
    const started = forkProcesses(processes, { ...options, sockets });
    const bound = this.#listeners.takeBound();
    // In the parent the sockets are those of the processes.
    if (taskId() !== null) this.addSockets(bound);
    return started.then(nothing);
  }

  /** Accepts on listening sockets, which the server owns from now on. */
  addSockets(sockets: Iterable<Socket>): void {
    for (const socket of sockets) this.addSocket(socket);
  }

  /** Accepts on a listening socket, which the server owns from now on. */
  addSocket(socket: Socket): void {
    this.#assertNotStopped();
    const isEarly = this.#isIterated() && !this.#iterated;
    this.#listeners.add(socket, isEarly ? this.#onWaiting : null);
    addListening(this);
    if (debug.enabled) debug('listen: %o', this);
    this.#started ??= expectToRun(this.loop, 'A TCPServer that listens');
    this.#regulate();
  }

  /**
   * Serves a connected socket, which the server owns from now on, as one that it has accepted: one that
   * was attached from another thread, or inherited. Also beyond `maxConnections`, and without
   * listening. A socket that is not connected (any more) is closed.
   *
   * @throws `ERR_IOLOOP_SERVER` after {@link stop}, and the errors of {@link IOStream}. The socket is
   * still the caller's then.
   */
  addConnection(socket: Socket): void {
    this.#assertNotStopped();
    const address = socket.remoteAddress;
    if (address === null) {
      socket.close();
      return;
    }
    addListening(this);
    countersOf(this.loop).accepted += 1;
    this.#serving.begin(socket, address, false);
  }

  /**
   * Stops listening at once. Connections stay open. With `drain`, accepts those in the backlog before,
   * and resolves when all of them are closed; when `timeout` expires or `signal` aborts, closes the
   * others and resolves as well. May be called again.
   *
   * Rejects with `ERR_INVALID_ARG_TYPE` and `ERR_INVALID_ARG_VALUE` for its options.
   */
  async stop(options: StopOptions = {}): Promise<void> {
    checkWait(options);
    if (options.drain !== true) {
      this.#stopNow();
      return;
    }
    this.#acceptRest();
    this.#stopListening();
    try {
      await limited(this.loop, options, 'stop', () => this.#serving.drained());
    } catch {
      this.#serving.close();
    }
    this.#serving.closeUnopened();
  }

  /** Stops, and closes each connection after its bytes are sent, or after 1 s. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopNow();
    await this.#serving.end(DISPOSE_TIMEOUT);
  }

  /**
   * Iterates over the streams of new connections, until the server is stopped. `timeout` limits the
   * wait for each; its `TimeoutError`, or the reason of `signal`, is thrown out of the iteration.
   * The end of the iteration, for any cause, stops the server. Streams that it has returned stay
   * open; those it has not are closed.
   *
   * ```js
   * for await (const stream of server.streams({ signal })) serve(stream);
   * ```
   */
  async *streams(options?: WaitOptions): AsyncGenerator<IOStream, undefined, undefined> {
    if (options !== undefined) checkWait(options);
    if (this.#serving.isPushed)
      throw serverState('The server has a protocol, and makes no streams');
    this.#iterated = true;
    this.#listeners.acceptWaiting();
    try {
      for (;;) {
        this.#regulate();
        const stream = await this.#serving.untaken.take(options);
        if (stream === null) return undefined;
        yield stream;
      }
    } finally {
      this.#stopNow();
    }
  }

  /** {@link streams} without options. */
  [Symbol.asyncIterator](): AsyncGenerator<IOStream, undefined, undefined> {
    return this.streams();
  }

  /** @internal For `util.inspect`. */
  [INSPECT](): object {
    return viewOf(this, #serving in this ? this.#view() : {}, { hidden: ['loop', 'tlsServer'] });
  }

  /** @internal For the workers of a group. */
  get [INTERNALS](): ServerInternals {
    return this.#internals;
  }

  #view(): object {
    const { maxConnections } = this.#settings;
    const { proxyRefusals } = this.#serving;
    return {
      state: this.#stopped ? 'stopped' : this.#listeners.listening ? 'listening' : 'idle',
      addresses: this.#listeners.addressTexts,
      connections: this.connections,
      ...(maxConnections === Infinity ? {} : { maxConnections }),
      acceptPaused: this.acceptPaused,
      ...(this.tlsServer === null ? {} : { tls: true }),
      ...(proxyRefusals === null ? {} : { proxyRefusals }),
    };
  }

  readonly #onAccept = (connection: Socket, address: Address): void => {
    this.#serving.begin(connection, address, true);
  };

  /** Whether streams go to the iterator: there is no handler. */
  #isIterated(): boolean {
    if (this.#serving.isPushed) return false;
    const isOverridden = this.handleStream !== TCPServer.prototype.handleStream;
    return !isOverridden && this.#settings.handleStream === undefined;
  }

  /** A connection waits in the backlog, and the program may iterate later. */
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

  /** Accepts while the limit allows more connections, and a handler or the iterator takes them. */
  #regulate(): void {
    const isFull = this.#serving.size >= this.#settings.maxConnections;
    const isUntaken =
      this.#isIterated() && (!this.#iterated || this.#serving.untaken.length >= MOST_UNTAKEN);
    this.#listeners.regulate(isFull, isUntaken);
  }

  /** Accepts what is in the backlogs, up to `maxConnections`, before the server stops. */
  #acceptRest(): void {
    if (this.#isIterated() && !this.#iterated) {
      this.#serving.untaken.close();
      return;
    }
    this.#listeners.acceptAll();
    this.#serving.untaken.end();
  }

  /** Stops, and closes the connections that are not open, or not taken. */
  #stopNow(): void {
    this.#stopListening();
    this.#serving.untaken.close();
    this.#serving.closeUnopened();
  }

  #stopListening(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#leaveIfIdle();
    if (debug.enabled) debug('stop listening: %o', this);
    this.#started?.();
    this.#listeners.close();
  }

  /** A drain has nothing to wait for. */
  #leaveIfIdle(): void {
    if (this.#stopped && this.connections === 0) removeListening(this);
  }

  #assertNotStopped(): void {
    if (this.#stopped) throw serverState('The server was stopped. Make another one');
  }
}

/** What the rest of the package sets. */
interface ServerInternals {
  /** Called after each close of a connection. */
  onConnectionClosed: (() => void) | null;
}

/** Streams that wait for the iterator; further connections wait in the backlog. */
const MOST_UNTAKEN = 128;

/** Seconds that a connection waits for an iteration before a warning. */
const UNTAKEN_WARNING = 1;

/** Seconds. */
const DISPOSE_TIMEOUT = 1;

function nothing(): void {}
