/** Streams with TLS. */
import type { ConnectionOptions, PeerCertificate, TLSSocket, TLSSocketOptions } from 'node:tls';
import type { Socket } from '../socket.js';
import type { DuplexOptions } from './duplex.js';
import { coreOf, IOStream } from './iostream.js';
import { checkOptions, type IOStreamOptions } from './options.js';
import { SSLIOStreamDuplex } from './tls-duplex.js';
import type { TlsEndpoint } from './tls-endpoint.js';
import { limited, type WaitOptions } from './wait.js';

/**
 * How to start TLS: the options of `node:tls` (`cert`, `key`, `ca`, `ALPNProtocols`,
 * `requestCert`, `secureContext` and so on), and these.
 */
export interface StartTlsOptions extends WaitOptions {
  /** Whether this is the server's side of the handshake. By default it is the client's. */
  readonly serverSide?: boolean | undefined;
  /**
   * The name that the server's certificate has to be for, and that it is told (SNI). A client needs
   * it, unless `rejectUnauthorized` is false.
   */
  readonly hostname?: string | undefined;
  /** Further options of `tls.connect`, or of the server's side of `tls.TLSSocket`. */
  readonly tls?: (ConnectionOptions | TLSSocketOptions) | undefined;
}

/**
 * An {@link IOStream} with TLS, as `startTls` and `TCPClient` make it. A client verifies the
 * certificate of its server, and its name, unless it is told not to.
 */
export class SSLIOStream extends IOStream {
  /** Node's socket, which knows the certificates, the cipher and the protocol. */
  readonly tlsSocket: TLSSocket;
  readonly #handshake: Promise<unknown>;

  /** @internal */
  constructor(endpoint: TlsEndpoint, handshake: Promise<unknown>, options: IOStreamOptions) {
    super(endpoint as unknown as Socket, options);
    this.tlsSocket = endpoint.tls;
    this.#handshake = handshake;
  }

  /** The protocol that was agreed on by ALPN; `null` without one. */
  get alpnProtocol(): string | null {
    const { alpnProtocol } = this.tlsSocket;
    return typeof alpnProtocol === 'string' ? alpnProtocol : null;
  }

  /** The certificate of the peer; `null` when it has shown none. */
  get peerCertificate(): PeerCertificate | null {
    const certificate = this.tlsSocket.getPeerCertificate() as PeerCertificate | undefined;
    return certificate === undefined || Object.keys(certificate).length === 0 ? null : certificate;
  }

  /** As of {@link IOStream}, with the members of `tls.TLSSocket` too. */
  override toDuplex(options?: DuplexOptions): SSLIOStreamDuplex {
    checkOptions(options);
    return new SSLIOStreamDuplex(this, coreOf(this), options);
  }

  /** Resolves to the stream after the handshake; rejects with what it failed with. */
  async waitForHandshake(options?: WaitOptions): Promise<this> {
    await limited(this.loop, options, 'handshake', () => this.#handshake);
    return this;
  }
}
