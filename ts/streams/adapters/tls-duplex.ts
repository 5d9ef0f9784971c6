/** A stream with TLS as Node's own streams know one. */
import type { PeerCertificate, TLSSocket } from 'node:tls';
import { IOStreamDuplex, type DuplexOptions } from './duplex.js';
import type { SSLIOStream } from '../tls/ssl-iostream.js';
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

  getPeerCertificate(detailed?: boolean): PeerCertificate {
    return this.#tls.getPeerCertificate(detailed);
  }

  getPeerX509Certificate(): ReturnType<TLSSocket['getPeerX509Certificate']> {
    return this.#tls.getPeerX509Certificate();
  }

  getCertificate(): ReturnType<TLSSocket['getCertificate']> {
    return this.#tls.getCertificate();
  }

  getX509Certificate(): ReturnType<TLSSocket['getX509Certificate']> {
    return this.#tls.getX509Certificate();
  }

  getCipher(): ReturnType<TLSSocket['getCipher']> {
    return this.#tls.getCipher();
  }

  getProtocol(): string | null {
    return this.#tls.getProtocol();
  }

  getEphemeralKeyInfo(): ReturnType<TLSSocket['getEphemeralKeyInfo']> {
    return this.#tls.getEphemeralKeyInfo();
  }

  getSharedSigalgs(): string[] {
    return this.#tls.getSharedSigalgs();
  }

  getFinished(): Buffer | undefined {
    return this.#tls.getFinished();
  }

  getPeerFinished(): Buffer | undefined {
    return this.#tls.getPeerFinished();
  }

  getSession(): Buffer | undefined {
    return this.#tls.getSession();
  }

  getTLSTicket(): Buffer | undefined {
    return this.#tls.getTLSTicket();
  }

  isSessionReused(): boolean {
    return this.#tls.isSessionReused();
  }

  exportKeyingMaterial(length: number, label: string, context: Buffer): Buffer {
    return this.#tls.exportKeyingMaterial(length, label, context);
  }

  setMaxSendFragment(size: number): boolean {
    return this.#tls.setMaxSendFragment(size);
  }

  disableRenegotiation(): void {
    this.#tls.disableRenegotiation();
  }

  enableTrace(): void {
    this.#tls.enableTrace();
  }
}
