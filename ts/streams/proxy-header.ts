/** Headers of the PROXY protocol, by the socket of the connection that they describe. */
import type { Address } from '../sockets/address.js';
import type { Socket } from '../sockets/socket.js';

/** An extension of a version 2 header. */
export interface ProxyTlv {
  /** A `PP2_TYPE_` number: 0x01 is ALPN, 0x02 the server name, 0x05 a unique id, 0x20 TLS. */
  readonly type: number;
  /** The bytes of the extension, in memory of this header alone. */
  readonly value: Buffer;
}

/** The header that a balancer has sent before the bytes of its client. */
export interface ProxyHeader {
  /** Version of the protocol. */
  readonly version: 1 | 2;
  /** True for a connection that the balancer has opened for itself, such as a health check. */
  readonly isLocal: boolean;
  /**
   * The address of the client; `null` if the connection is local, or the family of the address is
   * not known.
   */
  readonly source: Address | null;
  /** The address to which the client has connected; `null` when `source` is. */
  readonly destination: Address | null;
  /** The extensions of version 2 in their order, without padding; empty if the connection is local. */
  readonly tlvs: readonly ProxyTlv[];
}

/** Keeps the header of the connection of `socket`. */
export function setProxyHeader(socket: Socket, header: ProxyHeader): void {
  headers.set(socket, header);
}

/** The header that the connection has begun with; `null` if it had none. */
export function proxyHeaderOf(socket: Socket | null): ProxyHeader | null {
  return socket === null ? null : (headers.get(socket) ?? null);
}

/** The address of the client: of the header, or else of the peer of the socket. */
export function clientAddressOf(socket: Socket | null): Address | null {
  if (socket === null) return null;
  return headers.get(socket)?.source ?? socket.remoteAddress;
}

/**
 * By socket, which is the same before and after `startTls()`. Not a property: most servers have no
 * balancer, and their connections need no room for it.
 */
const headers = new WeakMap<Socket, ProxyHeader>();
