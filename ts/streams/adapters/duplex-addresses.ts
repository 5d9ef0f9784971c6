/** Addresses as `net.Socket` has them, and the arguments of its `connect()`. */
import type { lookup, LookupAddress, LookupOptions } from 'node:dns';
import type { AddressInfo } from 'node:net';
import { portNumber, type Address } from '../../sockets/address.js';
import { invalidArgType, invalidArgValue } from '../../support/errors.js';
import { ipFamily } from '../../sockets/ip-address.js';

/**
 * The options of {@link IOStreamDuplex.connect}: a TCP port of a host, or the path of a Unix
 * socket.
 */
export interface DuplexConnectOptions {
  /** A TCP port; needed unless there is a `path`. */
  readonly port?: number | string | undefined;
  /** An IP address, or a name that is resolved. By default `localhost`. */
  readonly host?: string | undefined;
  /** The path of a Unix socket; `host` and `port` are ignored then. */
  readonly path?: string | undefined;
  /** Resolves the host in place of `dns.lookup`. */
  readonly lookup?: typeof lookup | undefined;
}

/** The arguments of `connect()`, as `net.Socket` takes them. */
export type DuplexConnectArguments =
  | readonly [options: DuplexConnectOptions, listener?: (() => void) | undefined]
  | readonly [port: number | string, listener?: (() => void) | undefined]
  | readonly [port: number | string, host: string, listener?: (() => void) | undefined];

/** The target of a `connect()`, and the listener of `'connect'`. */
export interface ConnectTarget {
  readonly options: DuplexConnectOptions;
  readonly listener: (() => void) | undefined;
}

/**
 * Sorts the arguments of `connect()`: `(options)`, `(port[, host])` or `(path)`, and a listener.
 */
export function connectTarget(args: DuplexConnectArguments): ConnectTarget {
  const [first, second] = args as readonly unknown[];
  const last = args.at(-1);
  const listener = typeof last === 'function' ? last : undefined;
  if (typeof first === 'object' && first !== null) {
    return { options: first as DuplexConnectOptions, listener };
  }
  // A string that is not a number is a path, as for `net.connect`.
  if (typeof first === 'string' && !(Number(first) >= 0)) {
    return { options: { path: first }, listener };
  }
  const host = typeof second === 'string' ? second : undefined;
  return { options: { port: first as number | string, host }, listener };
}

/**
 * Resolves `options` to an address of the family of `local`. `done` gets it, and the resolved name.
 *
 * @throws `ERR_INVALID_ARG_VALUE` without port and path; `ERR_OUT_OF_RANGE` for a port.
 */
export function resolveTarget(
  options: DuplexConnectOptions,
  local: Address,
  done: (error: Error | null, address: Address | null, name?: string) => void,
): void {
  const { path, port: given, host = 'localhost' } = options;
  if (path !== undefined) {
    done(null, { path });
    return;
  }
  if (given === undefined) throw invalidArgValue('options', options, 'with a port or a path');
  const port = portNumber('port', given);
  if (typeof host !== 'string') throw invalidArgType('host', host, 'a string');
  if (ipFamily(host) !== 0) {
    done(null, { host, port });
    return;
  }
  const family = 'host' in local ? ipFamily(local.host) : 0;
  const settings: LookupOptions = { family, all: false };
  // Loaded on demand: few programs connect a duplex by name.
  const resolve = options.lookup ?? process.getBuiltinModule('node:dns').lookup;
  resolve(host, settings, (error, found: string | LookupAddress[]) => {
    const numeric = typeof found === 'string' ? found : found?.[0]?.address;
    done(error, numeric === undefined ? null : { host: numeric, port }, host);
  });
}

/** The result of `net.Socket.address()`: an empty object for an address without host and port. */
export function addressInfo(address: Address | null): AddressInfo | Record<string, never> {
  if (address === null || !('host' in address)) return {};
  return { address: address.host, family: familyOf(address) as string, port: address.port };
}

export function hostOf(address: Address | null): string | undefined {
  return address !== null && 'host' in address ? address.host : undefined;
}

export function portOf(address: Address | null): number | undefined {
  return address !== null && 'port' in address ? address.port : undefined;
}

export function familyOf(address: Address | null): string | undefined {
  const host = hostOf(address);
  if (host === undefined) return undefined;
  return host.includes(':') ? 'IPv6' : 'IPv4';
}
