/** Connections of a server of `node:http`: their number, and their end while they are paused. */
import type { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';

/** A server that may be one of `node:http` or `node:https`. */
export interface TrackableServer extends EventEmitter {
  readonly listening?: boolean;
}

/**
 * Makes `server` count its connections; to be called before the first one. `node:http` starts
 * counting when it listens, and without it `headersTimeout`, `requestTimeout`,
 * `closeIdleConnections()` and `closeAllConnections()` do nothing. Other servers, and servers that
 * count already, are unchanged.
 */
export function trackConnections(server: TrackableServer): void {
  if (tracked.has(server) || server.listening === true) return;
  // Calls the listener of node:http only: the program must not see `'listening'`.
  const begin = server.listeners('listening').find(({ name }) => name === LISTENER);
  if (begin === undefined) return;
  Reflect.apply(begin, server, []);
  tracked.add(server);
  // close() stops counting; a later connection starts it again.
  server.once('close', () => tracked.delete(server));
}

/** A duplex, with the properties that a server of `node:http` sets. */
export type HttpConnection = Duplex & { readonly server: unknown; readonly parser?: unknown };

/**
 * Whether a server of `node:http` has paused the connection. On a `net.Socket` it stops the reads of the
 * handle too, so that EOF waits: at `'end'` it would end the connection before pipelined requests are
 * answered. Others get the `'end'` of a paused socket at once. An upgraded connection has no parser.
 */
export function isPausedByHttp({ readableFlowing, server, parser }: HttpConnection): boolean {
  return readableFlowing === false && server !== undefined && (parser ?? null) !== null;
}

const tracked = new WeakSet<TrackableServer>();
const LISTENER = 'setupConnectionsTracking';
