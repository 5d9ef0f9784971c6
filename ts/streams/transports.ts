/** The transport of a socket: by a descriptor of ours, or by `node:net`. */
import type { LoopIO } from '../loop/io.js';
import { socketProvider } from '../sockets/providers.js';
import { NodeSocket } from '../sockets/node-socket.js';
import { NodeTransport } from './node-transport.js';
import { DescriptorTransport } from './rearmed-transport.js';
import type { Transport } from './transport.js';

/** The transport of `socket`. @throws As {@link FdTransport.on}. */
export function transportOn(io: LoopIO, socket: unknown): Transport {
  if (socketProvider !== 'own' && socket instanceof NodeSocket)
    return new NodeTransport(io, socket);
  return DescriptorTransport.on(io, socket);
}
