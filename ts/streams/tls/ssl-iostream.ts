/** Streams with TLS. */
import type { ConnectionOptions, PeerCertificate, Server, TlsOptions, TLSSocket } from 'node:tls';
import type { Socket } from '../../sockets/socket.js';
import type { DuplexOptions } from '../adapters/duplex.js';
import { coreOf, IOStream } from '../iostream.js';
import { checkOptions } from '../../support/checks.js';
import type { IOStreamOptions } from '../options.js';
import { SSLIOStreamDuplex } from '../adapters/tls-duplex.js';
import type { TlsEndpoint } from './tls-endpoint.js';
import { limited, type WaitOptions } from '../../loop/wait.js';

/** Options of {@link IOStream.startTls}. */
export interface StartTlsOptions extends WaitOptions {
  /** Whether this is the server's side of the handshake. By default it is the client's. */
  readonly serverSide?: boolean | undefined;
  /**
   * The name that the certificate of the server has to be for, which is sent to it (SNI). A client
   * needs it, unless `rejectUnauthorized` is false.
   */
  readonly hostname?: string | undefined;
  /**
   * Options of `tls.connect()`, or on the server's side of `tls.createServer()`: `cert`, `key`, `ca`,
   * `requestCert`, `rejectUnauthorized`, `SNICallback`, `ALPNProtocols`, `secureContext` and so on.
   * On the server's side connections that are given the same object share session tickets.
   */
  readonly tls?: ConnectionOptions | TlsOptions | undefined;
  /**
   * The server's side of `node:tls` that checks and serves this connection, instead of `tls`. It need
   * not listen; its `'secureConnection'` is not emitted for connections of streams.
   */
  readonly server?: Server | undefined;
  /**
   * What becomes of bytes that the stream has received and not read. By default (`'handshake'`) they
   * are the beginning of the handshake: a ClientHello that came early, or behind a PROXY line. What
   * is none fails the handshake; nothing of it can be read. `'refuse'` rejects with
   * `ERR_IOLOOP_STREAM_BUSY`.
   */
  readonly buffered?: 'handshake' | 'refuse' | undefined;
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
  constructor(endpoint: TlsEndpoint, options: IOStreamOptions) {
    super(endpoint as unknown as Socket, options);
    this.tlsSocket = endpoint.tls;
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

  /** The code of what the verification has found, such as `CERT_HAS_EXPIRED`; `null` if nothing. */
  get authorizationError(): string | null {
    const { authorizationError } = this.tlsSocket as { authorizationError: unknown };
    return authorizationError === null || authorizationError === undefined
      ? null
      : String((authorizationError as { code?: unknown }).code ?? authorizationError);
  }

  /** The name that the client has asked for (SNI); `null` without one. */
  get servername(): string | null {
    const { servername } = this.tlsSocket as { servername?: unknown };
    return typeof servername === 'string' ? servername : null;
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

  /** Resolves to the stream: the handshake is over when there is one. As documented for Tornado. */
  waitForHandshake(options?: WaitOptions): Promise<this> {
    return limited(this.loop, options, 'handshake', () => Promise.resolve(this));
  }
}
