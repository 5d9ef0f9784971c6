/** The transport of a socket: by a descriptor of ours, or by `node:net`. */
import type { LoopIO } from '../loop/io.js';
import { socketProvider } from '../sockets/providers.js';
import { NodeSocket } from '../sockets/node-socket.js';
import type { Socket } from '../sockets/socket.js';
import { NodeTransport } from './node-transport.js';
import { DescriptorTransport } from './rearmed-transport.js';
import type { Transport } from './transport.js';

/** The transport of `socket`. @throws As {@link FdTransport.on}. */
export function transportOn(io: LoopIO, socket: unknown): Transport {
  if (socketProvider !== 'own' && socket instanceof NodeSocket)
    return new NodeTransport(io, socket);
  return DescriptorTransport.on(io, socket);
}

/**
 * What `make` makes on an accepted socket that no other code has: that is closed afterwards, and
 * its descriptor is the transport's. If `make` throws, the descriptor is closed.
 *
 * @throws The error of `make`.
 */
export function onAccepted<T>(io: LoopIO, socket: Socket, make: (transport: Transport) => T): T {
  if (socketProvider !== 'own') return make(transportOn(io, socket));
  const transport = DescriptorTransport.accepted(io, socket);
  try {
    return make(transport);
  } catch (error) {
    transport.close();
    throw error;
  }
}
