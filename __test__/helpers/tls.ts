/** TLS in tests: the fixtures' certificates, and pairs of streams that speak it. */
import type { IOLoop, IOStream, IOStreamOptions, SSLIOStream, StartTlsOptions } from 'ioloop';
import { fixture } from './net.js';
import { localPair } from './streams.js';

/** The authority of all certificates here. */
export const ca = fixture('ca.pem');

/** Of a server named `localhost`. */
export const identity = { cert: fixture('server.pem'), key: fixture('server.key') };

/** Options of `startTls` for either side. */
export const clientSide = { hostname: 'localhost', tls: { ca } } as const;
export const serverSide = { serverSide: true, tls: identity } as const;

/** Two connected streams, still plain. */
export function plainPair(
  loop: IOLoop,
  options: IOStreamOptions = {},
): [client: IOStream, server: IOStream] {
  return localPair(loop, options);
}

/** Both ends of a TLS connection. `options` are those of both streams, `tls` of both contexts. */
export async function securePair(
  loop: IOLoop,
  options: IOStreamOptions = {},
  tls: StartTlsOptions['tls'] = {},
): Promise<[client: SSLIOStream, server: SSLIOStream]> {
  return secured(plainPair(loop, options), tls);
}

/** Starts TLS on both of two connected streams. */
export async function secured(
  [client, server]: readonly [client: IOStream, server: IOStream],
  tls: StartTlsOptions['tls'] = {},
): Promise<[client: SSLIOStream, server: SSLIOStream]> {
  return Promise.all([
    client.startTls({ ...clientSide, tls: { ca, ...tls } }),
    server.startTls({ ...serverSide, tls: { ...identity, ...tls } }),
  ]);
}
