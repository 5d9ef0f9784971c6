/**
 * Whose sockets the package has: its own, on descriptors; those of `node:net`, where its binary has no
 * selector; or none, as in browsers. Decided here, once: `Socket.tcp()` and `Socket.unix()`, by which
 * servers and clients make their sockets, ask the provider.
 */
import { backend, capabilities } from '../boundary/capabilities.js';
import { nodeNet } from '../support/builtins.js';
import { environment } from '../support/environment.js';
import { unsupported } from '../support/errors.js';
import { NodeSocket } from './node-socket.js';
import { substituteSockets } from './socket.js';

/** `own`: with descriptors. */
export type SocketProvider = 'own' | 'node' | 'none';

/** The provider of this process. `IOLOOP_SOCKETS=node` chooses `node:net` where there are both. */
export const socketProvider: SocketProvider = chosen();

/** @throws `ERR_IOLOOP_UNSUPPORTED` if sockets have no descriptors, which `call` needs. */
export function assertOwnSockets(call: string): void {
  if (socketProvider === 'own') return;
  throw unsupported(
    `${call} on the backend "${backend}", whose sockets have no descriptors,`,
    'Use one process, or node:cluster with servers of node:net',
  );
}

function chosen(): SocketProvider {
  const isOwn = capabilities.descriptors && environment('IOLOOP_SOCKETS') !== 'node';
  if (isOwn) return 'own';
  return hasNodeNet() ? 'node' : 'none';
}

/** Browsers have only its functions for addresses. */
function hasNodeNet(): boolean {
  const { createServer } = nodeNet() as Partial<ReturnType<typeof nodeNet>>;
  return createServer !== undefined;
}

if (socketProvider === 'node') substituteSockets((family) => new NodeSocket(family));
if (socketProvider === 'none') {
  substituteSockets(() => {
    throw unsupported(
      `A socket on the backend "${backend}" without node:net`,
      'Use IOStream.pair(), or a WebSocket',
    );
  });
}
