/** Addresses of sockets, and the text in which they cross the boundary to the core. */
import { networkInterfaces } from 'node:os';
import { capabilities } from '../boundary/capabilities.js';
import { native } from '../boundary/native.js';
import { invalidArgType, invalidArgValue, outOfRange } from '../support/errors.js';
import { ipFamily, zoneIndex } from './ip-address.js';

/**
 * The address of a socket: a numeric host and a port, or the path of a Unix socket. A path that
 * starts with NUL is in Linux' abstract namespace; an unnamed Unix socket has the empty path. An IPv6
 * host may end in a zone, the name or the index of an interface: `fe80::1%eth0`, `fe80::1%2`.
 * Addresses from the system have the index.
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

/** The `FAMILY_` constants of the binding. */
export type Family = 4 | 6 | 1;

/** Memory for an address that the core writes. The layout is documented at `ADDRESS_BYTES`. */
export function addressBuffer(): Buffer {
  return Buffer.alloc(capabilities.descriptors ? ADDRESS_BYTES : 0);
}

/**
 * `address` as it crosses, for a socket of `family`. For `bind` an empty or missing host means any
 * address of the family.
 *
 * @throws `ERR_INVALID_ARG_VALUE` for a host that is not an IP address of the family (a name has to
 * be resolved first) and for a path that does not fit; `ERR_OUT_OF_RANGE` for a port.
 */
export function encodeAddress(address: Address, family: Family, isBind: boolean): Buffer {
  const checked = checkAddress(address, family, isBind);
  if ('path' in checked) return encoded(family, 0, checked.path);
  return encoded(family, checked.port, checked.host);
}

/**
 * A copy of `address` without an empty host, and with the index of its zone instead of a name.
 *
 * @throws As {@link encodeAddress}.
 */
export function checkAddress(address: Address, family: Family, isBind: boolean): Address {
  const { host, port, path } = fieldsOf(address);
  if (family === FAMILY_UNIX) return { path: checkPath(path) };
  const number = checkPort(port);
  return { host: hostText(isBind ? (host ?? '') : host, family, isBind), port: number };
}

/** The address that the core has written to `bytes`. */
export function decodeAddress(bytes: Buffer): Address {
  const end = ADDRESS_TEXT + (bytes[3] as number);
  if (familyOf(bytes) !== FAMILY_UNIX) {
    return { host: bytes.toString('latin1', ADDRESS_TEXT, end), port: bytes.readUInt16BE(1) };
  }
  return { path: bytes.toString('utf8', ADDRESS_TEXT, end) };
}

/** The family of the address that the core has written to `bytes`. */
export function familyOf(bytes: Buffer): Family {
  const family = bytes[0];
  return family === FAMILY_IPV4 || family === FAMILY_IPV6 ? family : FAMILY_UNIX;
}

/** The properties of an error that has to do with an address. */
export function addressDetails(address: Address): {
  address?: string;
  port?: number;
  path?: string;
} {
  if ('path' in address) return { path: address.path };
  return { address: address.host, port: address.port };
}

/** The address without other properties of its object, which another thread may not be able to get. */
export function plainAddress(address: Address): Address {
  if ('path' in address) return { path: address.path };
  return { host: address.host, port: address.port };
}

/** An address for people: `127.0.0.1:80`, `[::1]:80`, or the path of a Unix socket. */
export function addressText(address: Address): string {
  if ('path' in address) return address.path === '' ? '(unnamed)' : address.path;
  const { host, port } = address;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * A port: a number, or its digits, as in a `URL` or the environment.
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

const { ADDRESS_BYTES, ADDRESS_TEXT } = native;
/** As types, for {@link Family}; the tests compare them with the binding's. */
const FAMILY_UNIX = 1;
const FAMILY_IPV4 = 4;
const FAMILY_IPV6 = 6;
/** `sizeof(sockaddr_un.sun_path)` on Linux; macOS has 104, and fails with `ENAMETOOLONG`. */
const MAX_PATH = 108;
const MAX_PORT = 65_535;

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

function encoded(family: Family, port: number, text: string): Buffer {
  const bytes = addressBuffer();
  const length = bytes.write(text, ADDRESS_TEXT);
  bytes[0] = family;
  bytes.writeUInt16BE(port, 1);
  bytes[3] = length;
  return bytes;
}

function checkPort(port: unknown): number {
  if (typeof port !== 'number') throw invalidArgType('address.port', port, 'a number');
  return portNumber('address.port', port);
}

/** The host as the core reads it: with the index of its zone instead of a name. */
function hostText(host: unknown, family: 4 | 6, isBind: boolean): string {
  if (typeof host !== 'string') throw invalidArgType('address.host', host, 'an IP address');
  if (host === '' && isBind) return family === FAMILY_IPV4 ? '0.0.0.0' : '::';
  if (ipFamily(host) !== family)
    throw invalidArgValue('address.host', host, expectedHost(host, family));
  const [text = '', zone] = host.split('%');
  if (zone === undefined) return host;
  const index = zoneIndex(zone);
  if (index !== null) return `${text}%${index}`;
  throw invalidArgValue(
    'address.host',
    host,
    `an address whose zone is an interface of this system: ${Object.keys(networkInterfaces()).join(', ')}, or its index`,
  );
}

function expectedHost(host: string, family: 4 | 6): string {
  if (ipFamily(host) !== 0) return `an IPv${family} address, as the socket is of that family`;
  return `an IPv${family} address: resolve a name first, with dns.promises.lookup()`;
}

function checkPath(path: unknown): string {
  if (typeof path !== 'string') throw invalidArgType('address.path', path, 'a string');
  if (path === '' || path === '\0') {
    throw invalidArgValue('address.path', path, 'a path, or an abstract name; not empty');
  }
  if (Buffer.byteLength(path) > MAX_PATH) {
    throw invalidArgValue('address.path', path, `at most ${MAX_PATH} bytes long`);
  }
  if (path.includes('\0', 1) && !path.startsWith('\0')) {
    throw invalidArgValue('address.path', path, 'without NUL, except as its first character');
  }
  return path;
}
