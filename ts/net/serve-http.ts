/** Servers of `node:http`, `node:https` and `node:http2` on connections of the loop. */
import type { AddressInfo, Server as NetServer } from 'node:net';
import { invalidArgType } from '../support/errors.js';
import { nextTick } from '../support/host.js';
import type { Address } from '../sockets/address.js';
import type { Socket } from '../sockets/socket.js';
import { addressInfo } from '../streams/adapters/duplex-addresses.js';
import { IOStreamDuplex } from '../streams/adapters/duplex.js';
import { SSLIOStream, type IOStream } from '../streams/iostream.js';
import type { StopOptions, TCPServerOptions } from './server-options.js';
import { TCPServer } from './tcp-server.js';

/** A server of `node:http`, `node:https` or `node:http2`. */
export type HttpServer = NetServer & {
  /** Closes the connections without a request. Servers of `node:http2` lack it. */
  closeIdleConnections?: () => void;
};

/** Options of {@link serveHttp}: those of a `TCPServer`, but `handleStream`. */
export type ServeHttpOptions = Omit<TCPServerOptions, 'handleStream'>;

/**
 * Returns a `TCPServer` whose connections `server` handles. Call `listen()` of the result:
 *
 * ```js
 * const server = serveHttp(http.createServer(app));
 * server.listen(8080);
 * ```
 *
 * `headersTimeout`, `requestTimeout`, `keepAliveTimeout`, `closeIdleConnections()`,
 * `closeAllConnections()` and `maxConnections` (further connections are closed, and `'drop'` is
 * emitted) work as on a server that listens itself; so do `'upgrade'`, `ws` and HTTP/2.
 * `server.listening`, `address()` and `getConnections()` are those of the result. `server.close()`
 * stops the result: it closes idle connections, and `'close'` is emitted after the last one has
 * ended. `stop()` of the result closes idle connections as well.
 *
 * Servers of `https.createServer()` and `http2.createSecureServer()` make the TLS handshake. With the
 * option `tls`, the result makes it, for any kind of server.
 *
 * An exception of a listener of `server` is one of {@link TCPServer.handleStream} if it comes in
 * `'connection'`; in other events it is uncaught, as in Node.
 *
 * @throws `ERR_INVALID_ARG_TYPE` if `server` is not such a server; further as the constructor of
 * {@link TCPServer}.
 */
export function serveHttp(server: HttpServer, options: ServeHttpOptions = {}): TCPServer {
  const isServer =
    typeof server === 'object' && server !== null && typeof server.emit === 'function';
  if (!isServer || typeof server.close !== 'function') {
    throw invalidArgType('server', server, 'a server of node:http, node:https or node:http2');
  }
  return new HttpConnections(server, options);
}

/** A session of HTTP/2. After `close()` it ends when its streams have ended. */
interface Session {
  close(): void;
  once(event: 'close', listener: () => void): unknown;
}

class HttpConnections extends TCPServer {
  readonly #server: HttpServer;
  /** The server makes the TLS handshake. */
  readonly #hasTls: boolean;
  readonly #sessions = new Set<Session>();
  #listening = false;
  /** `server.close()` was called. */
  #closing = false;

  constructor(server: HttpServer, options: ServeHttpOptions) {
    super(options);
    this.#server = server;
    this.#hasTls = server.listenerCount('secureConnection') > 0;
    if (this.#hasTls) server.prependListener('secureConnection', lendAddresses);
    server.on('session', (session: Session) => {
      this.#sessions.add(session);
      session.once('close', () => this.#sessions.delete(session));
    });
    this.#standIn();
  }

  override handleStream(stream: IOStream, address: Address): void {
    const server = this.#server;
    const { maxConnections } = server;
    // As in node:net, 0 and undefined are unlimited.
    if (maxConnections && this.connections > maxConnections) {
      const { socket } = stream;
      server.emit('drop', { ...ends('local', socket?.localAddress), ...ends('remote', address) });
      stream.close();
      return;
    }
    // If this server has made the handshake, the one of `server` is over.
    const isSecured = stream instanceof SSLIOStream && this.#hasTls;
    // node:http decides by httpAllowHalfOpen whether to answer a client that has half-closed.
    const duplex = stream.toDuplex({ allowHalfOpen: true });
    server.emit(isSecured ? 'secureConnection' : 'connection', duplex);
  }

  /** Emits `'listening'` in the next tick: `node:http` sets up its list of connections then. */
  override addSocket(socket: Socket): void {
    super.addSocket(socket);
    if (this.#listening) return;
    this.#listening = true;
    nextTick(() => this.#server.emit('listening'));
  }

  /** Also closes idle connections. */
  override stop(options?: StopOptions): Promise<void> {
    const stopped = super.stop(options);
    this.#server.closeIdleConnections?.();
    for (const session of this.#sessions) session.close();
    return stopped;
  }

  /** Also closes the server of `node:http`. */
  override async [Symbol.asyncDispose](): Promise<void> {
    await super[Symbol.asyncDispose]();
    if (!this.#closing) this.#server.close();
  }

  /** Replaces the methods of the server that depend on listening. */
  #standIn(): void {
    const server = this.#server;
    const close = server.close;
    const address = (): AddressInfo | null => {
      const [first] = this.addresses;
      return first === undefined ? null : (addressInfo(first) as AddressInfo);
    };
    Object.defineProperty(server, 'listening', {
      configurable: true,
      get: () => this.addresses.length > 0,
    });
    server.address = address;
    server.getConnections = (callback) => {
      nextTick(callback, null, this.connections);
      return server;
    };
    server.close = (callback) => {
      if (this.#closing || this.addresses.length === 0) return close.call(server, callback);
      this.#closing = true;
      if (typeof callback === 'function') server.once('close', () => callback());
      // The original close() ends the checks of timeouts, and emits 'close'.
      void this.stop({ drain: true }).then(() => close.call(server));
      return server;
    };
  }
}

/** The properties of `'drop'` for one end of a connection. */
function ends(side: 'local' | 'remote', address: Address | undefined): Record<string, unknown> {
  const info = addressInfo(address ?? null);
  if (!('port' in info)) return {};
  return {
    [`${side}Address`]: info.address,
    [`${side}Port`]: info.port,
    [`${side}Family`]: info.family,
  };
}

/**
 * Gives a `tls.TLSSocket` over a duplex of this package its addresses. It takes them from its handle,
 * which has none unless the socket below is a `net.Socket`.
 */
function lendAddresses(socket: object): void {
  const { _handle: handle } = socket as { _handle?: { _parentWrap?: { stream?: unknown } } };
  const { _parentWrap: wrapper } = handle ?? {};
  const below = wrapper?.stream;
  if (!(below instanceof IOStreamDuplex)) return;
  for (const name of ADDRESSES) {
    Object.defineProperty(socket, name, { configurable: true, get: () => below[name] });
  }
  Object.defineProperty(socket, 'address', { configurable: true, value: () => below.address() });
}

const ADDRESSES = [
  'remoteAddress',
  'remotePort',
  'remoteFamily',
  'localAddress',
  'localPort',
  'localFamily',
] as const;
