/** Makes `node:http` count the connections of a server that does not listen. */
import type { EventEmitter } from 'node:events';

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

const tracked = new WeakSet<TrackableServer>();
const LISTENER = 'setupConnectionsTracking';
