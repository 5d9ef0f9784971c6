/** Addresses of sockets, and the bytes in which they cross the boundary to the core. */
import { networkInterfaces } from 'node:os';
import { invalidArgType, invalidArgValue, outOfRange } from '../support/errors.js';
import { formatIPv4, formatIPv6, ipFamily, parseIPv4, parseIPv6, zoneIndex } from './ip-address.js';

/**
 * Where a socket is: a numeric host and a port, or the path of a Unix socket. A path that starts
 * with NUL is in Linux' abstract namespace; the empty path is that of an unnamed Unix socket. An
 * IPv6 host may end in a zone, the name or the index of an interface: `fe80::1%eth0`, `fe80::1%2`.
 * Addresses that the system gives have the index.
 */
export type Address =
  | {
      /** An IPv4 or IPv6 address. */
      readonly host: string;
      /** The port, 0 to 65,535. */
      readonly port: number;
    }
  | {
      /** The path of a Unix socket. */
      readonly path: string;
    };

/** The families of the boundary. */
export type Family = 4 | 6 | 1;

/** Size of an encoded address. */
export const ADDRESS_BYTES = 128;

/**
 * The bytes of `address` for a socket of `family`. For `bind` an empty or missing host means any
 * address of the family.
 *
 * @throws `ERR_INVALID_ARG_VALUE` for a host that is no IP address of the family (a name has to be
 * resolved first) and for a path that does not fit; `ERR_OUT_OF_RANGE` for a port.
 */
export function encodeAddress(address: Address, family: Family, isBind: boolean): Uint8Array {
  const fields = fieldsOf(address);
  const bytes = new Uint8Array(ADDRESS_BYTES);
  if (family === UNIX) encodePath(fields.path, bytes);
  else {
    encodePort(fields.port, bytes);
    encodeHost(isBind ? (fields.host ?? '') : fields.host, family, isBind, bytes);
  }
  return bytes;
}

/** The address in `bytes`. That of an unnamed Unix socket is the empty path. */
export function decodeAddress(bytes: Uint8Array): Address {
  const [family = 0, high = 0, low = 0] = bytes;
  const word = high * 256 + low;
  if (family === IPV4) return { host: formatIPv4(bytes.subarray(HOST_AT, SCOPE_AT)), port: word };
  if (family === IPV6) {
    const scope = new DataView(bytes.buffer, bytes.byteOffset).getUint32(SCOPE_AT);
    const host = formatIPv6(bytes.subarray(HOST_AT, SCOPE_AT));
    return { host: scope === 0 ? host : `${host}%${scope}`, port: word };
  }
  const path = family === UNIX ? decoder.decode(bytes.subarray(HOST_AT, HOST_AT + word)) : '';
  // rustix gives an unnamed socket as the abstract name of no length.
  return { path: path === '\0' ? '' : path };
}

/** What an error says of an address. */
export function addressDetails(address: Address): {
  address?: string;
  port?: number;
  path?: string;
} {
  if ('path' in address) return { path: address.path };
  return { address: address.host, port: address.port };
}

/**
 * A port: a number, or its digits, as `URL` and the environment have it.
 *
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`.
 */
export function portNumber(name: string, port: unknown): number {
  const number = typeof port === 'string' && /^\d{1,5}$/.test(port) ? Number(port) : port;
  if (typeof number !== 'number') {
    const hint = port === '' ? ' (a URL with the default port of its scheme has none)' : '';
    throw invalidArgType(name, port, `a number, or a string of digits${hint}`);
  }
  if (!Number.isInteger(number) || number < 0 || number > MAX_PORT) {
    throw outOfRange(name, port, `an integer from 0 to ${MAX_PORT}`);
  }
  return number;
}

const IPV4 = 4;
const IPV6 = 6;
const UNIX = 1;
const HOST_AT = 3;
const SCOPE_AT = HOST_AT + 16;
/** `sizeof(sockaddr_un.sun_path)` on Linux; macOS has 104 and says `EINVAL` or `ENAMETOOLONG`. */
const MAX_PATH = 108;
const MAX_PORT = 65_535;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

interface Fields {
  readonly host?: unknown;
  readonly port?: unknown;
  readonly path?: unknown;
}

function fieldsOf(address: unknown): Fields {
  if (typeof address !== 'object' || address === null) {
    throw invalidArgType('address', address, 'an object { host, port } or { path }');
  }
  return address;
}

function encodePort(port: unknown, bytes: Uint8Array): void {
  if (typeof port !== 'number') throw invalidArgType('address.port', port, 'a number');
  const number = portNumber('address.port', port);
  bytes[1] = number >> 8;
  bytes[2] = number & 0xff;
}

function encodeHost(host: unknown, family: 4 | 6, isBind: boolean, bytes: Uint8Array): void {
  bytes[0] = family;
  if (typeof host !== 'string') throw invalidArgType('address.host', host, 'an IP address');
  // All zeros: any address.
  if (host === '' && isBind) return;
  if (ipFamily(host) !== family)
    throw invalidArgValue('address.host', host, expectedHost(host, family));
  if (family === IPV4) {
    bytes.set(parseIPv4(host), HOST_AT);
    return;
  }
  const [text = '', zone = '0'] = host.split('%');
  bytes.set(parseIPv6(text), HOST_AT);
  const index = zoneIndex(zone);
  if (index === null) {
    throw invalidArgValue(
      'address.host',
      host,
      `an address whose zone is an interface of this system: ${Object.keys(networkInterfaces()).join(', ')}, or its index`,
    );
  }
  new DataView(bytes.buffer).setUint32(SCOPE_AT, index);
}

function expectedHost(host: string, family: 4 | 6): string {
  if (ipFamily(host) !== 0) return `an IPv${family} address, as the socket is of that family`;
  return `an IPv${family} address: resolve a name first, with dns.promises.lookup()`;
}

function encodePath(path: unknown, bytes: Uint8Array): void {
  bytes[0] = UNIX;
  if (typeof path !== 'string') throw invalidArgType('address.path', path, 'a string');
  const encoded = encoder.encode(path);
  if (path === '' || path === '\0') {
    throw invalidArgValue('address.path', path, 'a path, or an abstract name; not empty');
  }
  if (encoded.length > MAX_PATH) {
    throw invalidArgValue('address.path', path, `at most ${MAX_PATH} bytes long`);
  }
  if (encoded.indexOf(0, 1) !== -1 && encoded[0] !== 0) {
    throw invalidArgValue('address.path', path, 'without NUL, except as its first character');
  }
  bytes[2] = encoded.length;
  bytes.set(encoded, HOST_AT);
}
