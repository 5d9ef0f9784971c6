/** Connections that `node:http` counts although its server does not listen itself. */
import type { EventEmitter } from 'node:events';

/** A server that may be one of `node:http` or `node:https`. */
export interface TrackableServer extends EventEmitter {
  readonly listening?: boolean;
}

/**
 * Lets `server` count its connections, before it is given the first one. `node:http` begins to when
 * it listens; without that `headersTimeout`, `requestTimeout`, `closeIdleConnections()` and
 * `closeAllConnections()` do nothing. Other servers, and one that counts already, stay as they are.
 */
export function trackConnections(server: TrackableServer): void {
  if (tracked.has(server) || server.listening === true) return;
  // The listener of node:http alone: that the server listens is not announced to the program.
  const begin = server.listeners('listening').find(({ name }) => name === LISTENER);
  if (begin === undefined) return;
  Reflect.apply(begin, server, []);
  tracked.add(server);
  // close() stops the counting; a connection after that begins it again.
  server.once('close', () => tracked.delete(server));
}

const tracked = new WeakSet<TrackableServer>();
const LISTENER = 'setupConnectionsTracking';
