/** The addresses of a `tls.TLSSocket` whose handshake has failed. */
import type { Address } from '../../sockets/address.js';
import type { Socket } from '../../sockets/socket.js';
import { familyOf, hostOf, portOf } from '../adapters/duplex-addresses.js';
import { clientAddressOf } from '../proxy-header.js';

/** The properties of a `net.Socket` with its addresses. */
export type AddressProperties = Readonly<Record<string, string | number | undefined>>;

/**
 * The addresses of a connection, as a `net.Socket` has them. Read before the handshake: a socket that
 * is closed has none, and some failures close it before they are reported.
 */
export function addressProperties(socket: Socket | null): AddressProperties {
  const remote = known(() => clientAddressOf(socket));
  const local = known(() => socket?.localAddress ?? null);
  return {
    remoteAddress: hostOf(remote),
    remotePort: portOf(remote),
    remoteFamily: familyOf(remote),
    localAddress: hostOf(local),
    localPort: portOf(local),
    localFamily: familyOf(local),
  };
}

/**
 * Defines the addresses of `tls`, for listeners of `'tlsClientError'`. A `TLSSocket` takes them from
 * its handle, which has none over a stream.
 */
export function lendAddresses(tls: object, addresses: AddressProperties): void {
  for (const [name, value] of Object.entries(addresses)) {
    Object.defineProperty(tls, name, { configurable: true, value });
  }
}

/** `null` for a connection that was reset: the system has no address of it. */
function known(address: () => Address | null): Address | null {
  try {
    return address();
  } catch {
    return null;
  }
}
