/** Servers of `node:http`, `node:https` and `node:http2` on connections of the loop. */
import type { AddressInfo, Server as NetServer } from 'node:net';
import type { Address } from '../sockets/address.js';
import { invalidArgType } from '../support/errors.js';
import { nextTick } from '../support/host.js';
import { IOStreamDuplex } from '../streams/adapters/duplex.js';
import { addressInfo } from '../streams/adapters/duplex-addresses.js';
import type { Socket } from '../sockets/socket.js';
import { SSLIOStream, type IOStream } from '../streams/iostream.js';
import type { StopOptions, TCPServerOptions } from './server-options.js';
import { TCPServer } from './tcp-server.js';

/** A server of `node:http`, `node:https` or `node:http2`. */
export type HttpServer = NetServer & {
  /** Closes the connections without a request. Servers of `node:http2` lack it. */
  closeIdleConnections?: () => void;
};

/** Options of {@link serveHttp}: those of a `TCPServer` whose connections `server` handles. */
export type ServeHttpOptions = Omit<TCPServerOptions, 'handleStream'>;

/**
 * A `TCPServer` that gives its connections to `server`. Call `listen()` of the result:
 *
 * ```js
 * const server = serveHttp(http.createServer(app));
 * server.listen(8080);
 * ```
 *
 * `headersTimeout`, `requestTimeout`, `keepAliveTimeout`, `closeIdleConnections()`,
 * `closeAllConnections()` and `maxConnections` (above it, connections are closed, and `'drop'` is
 * emitted) work as on a server that listens itself; so do `'upgrade'`, `ws` and HTTP/2.
 * `server.listening`, `address()` and `getConnections()` tell of the result, and `server.close()`
 * stops it: no more connections are accepted, idle ones are closed, and `'close'` follows when the
 * last one has ended. `stop()` of the result closes idle connections as well.
 *
 * TLS is that of `server` for `https.createServer()` and `http2.createSecureServer()`, or of the
 * option `tls` for either kind of server.
 *
 * @throws `ERR_INVALID_ARG_TYPE` when `server` is another object, and as the constructor of
 * `TCPServer`.
 */
export function serveHttp(server: HttpServer, options: ServeHttpOptions = {}): TCPServer {
  const isServer =
    typeof server === 'object' && server !== null && typeof server.emit === 'function';
  if (!isServer || typeof server.close !== 'function') {
    throw invalidArgType('server', server, 'a server of node:http, node:https or node:http2');
  }
  return new HttpConnections(server, options);
}

/** A session of HTTP/2, which ends by itself once it is closed. */
interface Session {
  close(): void;
  once(event: 'close', listener: () => void): unknown;
}

class HttpConnections extends TCPServer {
  readonly #server: HttpServer;
  /** Whether it is one of `node:https`, or its like of `node:http2`. */
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
    // As node:net, where 0 and undefined mean without limit.
    if (maxConnections && this.connections > maxConnections) {
      const { socket } = stream;
      server.emit('drop', { ...ends('local', socket?.localAddress), ...ends('remote', address) });
      stream.close();
      return;
    }
    // A server with TLS of its own makes the handshake; one on a stream with TLS is behind it.
    const isSecured = stream instanceof SSLIOStream && this.#hasTls;
    // node:http keeps answering a client that has ended its side: httpAllowHalfOpen decides there.
    const duplex = stream.toDuplex({ allowHalfOpen: true });
    server.emit(isSecured ? 'secureConnection' : 'connection', duplex);
  }

  /** `'listening'` follows in the next tick: from then on `node:http` counts its connections. */
  override addSocket(socket: Socket): void {
    super.addSocket(socket);
    if (this.#listening) return;
    this.#listening = true;
    nextTick(() => this.#server.emit('listening'));
  }

  /** Stops as a `TCPServer`, and closes the connections that are idle. */
  override stop(options?: StopOptions): Promise<void> {
    const stopped = super.stop(options);
    this.#server.closeIdleConnections?.();
    for (const session of this.#sessions) session.close();
    return stopped;
  }

  /** Ends the connections, and the server of `node:http` with them. */
  override async [Symbol.asyncDispose](): Promise<void> {
    await super[Symbol.asyncDispose]();
    if (!this.#closing) this.#server.close();
  }

  /** Makes the server's own methods tell of this one. */
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
      // What is left of node:http's own close() ends the checking of timeouts, and emits 'close'.
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
 * Gives a `tls.TLSSocket` on a duplex of ours its addresses: it asks its handle, which has none on
 * what is no `net.Socket`.
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
