/** A stream with TLS as a `Duplex` of Node's. */
import type { PeerCertificate, TLSSocket } from 'node:tls';
import { IOStreamDuplex, type DuplexOptions } from './duplex.js';
import type { SSLIOStream } from '../iostream.js';
import type { Stream } from '../stream.js';

/**
 * An {@link IOStreamDuplex} with the members of `tls.TLSSocket`, which are those of the socket that
 * encrypts: `req.secure` of Express, client certificates and ALPN work as on `node:https`.
 */
export class SSLIOStreamDuplex extends IOStreamDuplex {
  readonly #tls: TLSSocket;

  /** @internal */
  constructor(stream: SSLIOStream, core: Stream, options?: DuplexOptions) {
    super(stream, core, options);
    this.#tls = stream.tlsSocket;
  }

  /** True. */
  override get encrypted(): boolean {
    return true;
  }

  /** Whether the certificate of the peer was verified. */
  get authorized(): boolean {
    return this.#tls.authorized;
  }

  /** Why it was not; undefined or null when it was. */
  get authorizationError(): Error {
    return this.#tls.authorizationError;
  }

  /** The protocol that ALPN has chosen; false without one. */
  get alpnProtocol(): string | false | null {
    return this.#tls.alpnProtocol;
  }

  /** The name that the client asked for by SNI. */
  get servername(): string | false | undefined {
    return (this.#tls as { servername?: string | false }).servername;
  }

  /** The certificate of the peer; an empty object if it sent none. */
  getPeerCertificate(detailed?: boolean): PeerCertificate {
    return this.#tls.getPeerCertificate(detailed);
  }

  /** The certificate of the peer; undefined if it sent none. */
  getPeerX509Certificate(): ReturnType<TLSSocket['getPeerX509Certificate']> {
    return this.#tls.getPeerX509Certificate();
  }

  /** The local certificate; an empty object without one. */
  getCertificate(): ReturnType<TLSSocket['getCertificate']> {
    return this.#tls.getCertificate();
  }

  /** The local certificate; undefined without one. */
  getX509Certificate(): ReturnType<TLSSocket['getX509Certificate']> {
    return this.#tls.getX509Certificate();
  }

  /** The cipher suite that was negotiated. */
  getCipher(): ReturnType<TLSSocket['getCipher']> {
    return this.#tls.getCipher();
  }

  /** The TLS version that was negotiated, such as `'TLSv1.3'`. */
  getProtocol(): string | null {
    return this.#tls.getProtocol();
  }

  /** The ephemeral key exchange, on a client. */
  getEphemeralKeyInfo(): ReturnType<TLSSocket['getEphemeralKeyInfo']> {
    return this.#tls.getEphemeralKeyInfo();
  }

  /** The signature algorithms that both sides support, by decreasing preference. */
  getSharedSigalgs(): string[] {
    return this.#tls.getSharedSigalgs();
  }

  /** The last Finished message that was sent. */
  getFinished(): Buffer | undefined {
    return this.#tls.getFinished();
  }

  /** The last Finished message that was received. */
  getPeerFinished(): Buffer | undefined {
    return this.#tls.getPeerFinished();
  }

  /** The TLS session, to resume it in another connection. */
  getSession(): Buffer | undefined {
    return this.#tls.getSession();
  }

  /** The session ticket, on a client. */
  getTLSTicket(): Buffer | undefined {
    return this.#tls.getTLSTicket();
  }

  /** True if the session was resumed. */
  isSessionReused(): boolean {
    return this.#tls.isSessionReused();
  }

  /** Keying material as in RFC 5705. */
  exportKeyingMaterial(length: number, label: string, context: Buffer): Buffer {
    return this.#tls.exportKeyingMaterial(length, label, context);
  }

  /** Sets the largest TLS fragment; false if it was refused. */
  setMaxSendFragment(size: number): boolean {
    return this.#tls.setMaxSendFragment(size);
  }

  /** Disables TLS renegotiation. */
  disableRenegotiation(): void {
    this.#tls.disableRenegotiation();
  }

  /** Writes a trace of TLS packets to stderr. */
  enableTrace(): void {
    this.#tls.enableTrace();
  }
}
