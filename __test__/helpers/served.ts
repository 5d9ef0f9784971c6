/** Servers on free ports, and clients of them, for the tables of kinds of connections. */
import { TCPServer, type IOLoop, type IOStream } from 'ioloop';
import { deferred } from './deferred.js';
import { ca, identity } from './tls.js';

/** Options of a stream that stays open after EOF. */
export const halfOpen = { allowHalfOpen: true };

/** Options of a server, and of a client of it. */
export const ofServer = (isTls: boolean): object => (isTls ? { tls: identity } : {});
export const ofClient = (isTls: boolean): object =>
  isTls ? { tls: { hostname: 'localhost', tls: { ca } } } : {};

/** A server that listens on loopback. */
export function listening(loop: IOLoop, options: object): TCPServer {
  const server = new TCPServer({ loop, ...options });
  server.listen(0, '127.0.0.1');
  return server;
}

/** A server for one connection, whose stream `accepted` resolves to. */
export function acceptsOne(
  loop: IOLoop,
  options: object,
): { readonly server: TCPServer; readonly accepted: Promise<IOStream> } {
  const { promise, resolve } = deferred<IOStream>();
  return { server: listening(loop, { ...options, handleStream: resolve }), accepted: promise };
}
