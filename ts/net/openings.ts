/** The beginning of a server's connections: the PROXY header, then the TLS handshake. */
import type { Server } from 'node:tls';
import type { IOLoop } from '../loop/ioloop.js';
import type { Address } from '../sockets/address.js';
import type { IOStream } from '../streams/iostream.js';
import { serverState } from '../support/errors.js';
import { ProxyReceiver } from './proxy-receiver.js';
import type { ServerSettings } from './server-options.js';

/** Called with a connection that is open, and the address of its client. */
export type OpenCallback = (stream: IOStream, address: Address) => void;

/**
 * | State           | Event                                    | Next                               |
 * | --------------- | ---------------------------------------- | ---------------------------------- |
 * | accepted        | the server was stopped meanwhile         | closed                             |
 * |                 | with `proxyProtocol`, of a peer to await | awaiting header                    |
 * |                 | else, with `tls`                         | in handshake                       |
 * |                 | else                                     | open                               |
 * | awaiting header | the header; or none, if none is required | in handshake with `tls`, else open |
 * |                 | refused; the server is stopped           | closed                             |
 * | in handshake    | it is complete                           | open: in another stream            |
 * |                 | it has failed; the server is stopped     | closed                             |
 * | open            | none: the callback has the stream        |                                    |
 *
 * No connection opens after {@link stop}.
 */
export class Openings {
  /** `null` without the option `proxyProtocol`. */
  readonly proxy: ProxyReceiver | null;
  readonly #tlsServer: Server | null;
  /** Seconds. */
  readonly #handshakeTimeout: number;
  readonly #onOpen: OpenCallback;
  /** Aborts when the server is stopped: it ends the waits for headers, and the handshakes. */
  readonly #stopping = new AbortController();

  constructor(
    loop: IOLoop,
    settings: ServerSettings,
    tlsServer: Server | null,
    onOpen: OpenCallback,
  ) {
    const { proxyProtocol, handshakeTimeout } = settings;
    this.proxy = proxyProtocol === null ? null : new ProxyReceiver(loop, proxyProtocol);
    this.#tlsServer = tlsServer;
    this.#handshakeTimeout = handshakeTimeout;
    this.#onOpen = onOpen;
  }

  /** A connection is open as soon as it is accepted. */
  get isImmediate(): boolean {
    const { aborted } = this.#stopping.signal;
    return this.proxy === null && this.#tlsServer === null && !aborted;
  }

  /** Begins with a connection that was accepted from `peer`. */
  begin(stream: IOStream, peer: Address): void {
    if (this.#stopping.signal.aborted) stream.close();
    else if (this.proxy === null || this.proxy.passes(peer)) this.#secure(stream, peer);
    else void this.#receiveHeader(stream, peer, this.proxy);
  }

  /** Closes the connections that are not open. */
  stop(): void {
    this.#stopping.abort(serverState('The server was stopped'));
  }

  /** Never rejects. */
  async #receiveHeader(stream: IOStream, peer: Address, proxy: ProxyReceiver): Promise<void> {
    const { signal } = this.#stopping;
    const client = await proxy.receive(stream, peer, signal);
    if (client === null) return;
    // The server may have been stopped in the tick in which the header was complete.
    if (signal.aborted) stream.close();
    else this.#secure(stream, client);
  }

  #secure(stream: IOStream, client: Address): void {
    if (this.#tlsServer === null) this.#onOpen(stream, client);
    else void this.#handshake(stream, client, this.#tlsServer);
  }

  /** Never rejects. */
  async #handshake(stream: IOStream, client: Address, server: Server): Promise<void> {
    const timeout = this.#handshakeTimeout;
    const { signal } = this.#stopping;
    let secure: IOStream;
    try {
      secure = await stream.startTls({ serverSide: true, server, timeout, signal });
    } catch {
      // The server of node:tls has emitted 'tlsClientError'.
      stream.close();
      return;
    }
    // As above.
    if (signal.aborted) secure.close();
    else this.#onOpen(secure, client);
  }
}
