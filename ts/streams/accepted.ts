/** What a server makes on the sockets that it accepts: streams, or connections with a protocol. */
import { ioOf } from '../loop/internals.js';
import type { Socket } from '../sockets/socket.js';
import { createStream } from './debug-stream.js';
import { IOStream, makeStream } from './iostream.js';
import type { StreamSettings } from './options.js';
import type { Connection } from './protocols/connection.js';
import { connectionOn, connectionSettings } from './protocols/convert.js';
import type { ConnectionSettings } from './protocols/inflow.js';
import type { Protocol } from './protocols/protocol.js';
import type { Transport } from './transport.js';
import { onAccepted, transportOn } from './transports.js';

/**
 * A stream on a connected socket with checked settings, which the connections of a server share. With
 * `isAccepted` no other code has the socket: it is closed, and the stream has its descriptor.
 *
 * @throws As the constructor of {@link IOStream}.
 */
export function acceptedStream(
  socket: Socket,
  settings: StreamSettings,
  isAccepted: boolean,
): IOStream {
  const make = (transport: Transport): IOStream => new IOStream(createStream(settings, transport));
  const io = ioOf(settings.loop);
  return isAccepted ? onAccepted(io, socket, make) : make(transportOn(io, socket));
}

/** The settings that the connections of a server share. @throws `ERR_IOLOOP_CLOSED`. */
export function acceptedSettings(settings: StreamSettings): ConnectionSettings {
  return connectionSettings(settings, makeStream);
}

/** As {@link acceptedStream}, for a protocol. `begin()` of the connection follows. */
export function acceptedConnection(
  socket: Socket,
  settings: ConnectionSettings,
  protocol: Protocol<unknown>,
  isAccepted: boolean,
): Connection<unknown> {
  const { io } = settings;
  if (!isAccepted) return connectionOn(transportOn(io, socket), settings, protocol);
  return onAccepted(io, socket, (transport) => connectionOn(transport, settings, protocol));
}
