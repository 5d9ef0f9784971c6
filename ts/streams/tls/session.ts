/** The facts of a TLS session, with `null` where `node:tls` has several values for "none". */
import type { PeerCertificate, TLSSocket } from 'node:tls';

export function authorizationErrorOf(socket: TLSSocket): string | null {
  const { authorizationError: error } = socket as { authorizationError: unknown };
  if (error === null || error === undefined) return null;
  return String((error as { code?: unknown }).code ?? error);
}

export function servernameOf(socket: TLSSocket): string | null {
  const { servername } = socket as { servername?: unknown };
  return typeof servername === 'string' ? servername : null;
}

export function alpnProtocolOf({ alpnProtocol }: TLSSocket): string | null {
  return typeof alpnProtocol === 'string' ? alpnProtocol : null;
}

export function peerCertificateOf(socket: TLSSocket): PeerCertificate | null {
  const certificate = socket.getPeerCertificate() as PeerCertificate | undefined;
  return certificate === undefined || Object.keys(certificate).length === 0 ? null : certificate;
}
