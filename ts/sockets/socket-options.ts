/** The options of sockets: their names, their values, and how they cross the boundary. */
import { capabilities } from '../boundary/capabilities.js';
import { native } from '../boundary/native.js';
import { invalidArgType, invalidArgValue, outOfRange } from '../support/errors.js';

/** The options of a {@link Socket}, with the type of each value. */
export interface SocketOptions {
  /** Allow binding to an address with connections in TIME_WAIT (`SO_REUSEADDR`). */
  readonly reuseAddress: boolean;
  /** Allow several sockets to bind to one address and share its connections (`SO_REUSEPORT`). */
  readonly reusePort: boolean;
  /** Send small packets at once (`TCP_NODELAY`). */
  readonly noDelay: boolean;
  /** Probe an idle connection (`SO_KEEPALIVE`). */
  readonly keepAlive: boolean;
  /** Idle seconds before the first probe (`TCP_KEEPIDLE`). */
  readonly keepAliveIdle: number;
  /** Seconds between probes (`TCP_KEEPINTVL`). */
  readonly keepAliveInterval: number;
  /** Unanswered probes after which the connection is reset (`TCP_KEEPCNT`). */
  readonly keepAliveCount: number;
  /**
   * Seconds for unsent data after `close()` (`SO_LINGER`): 0 resets the connection, -1 is the
   * default.
   */
  readonly linger: number;
  /** Bytes (`SO_RCVBUF`). Linux doubles the value that is set, see `socket(7)`. */
  readonly receiveBuffer: number;
  /** Bytes (`SO_SNDBUF`). Linux doubles the value that is set, see `socket(7)`. */
  readonly sendBuffer: number;
  /** Accept no IPv4 connections (`IPV6_V6ONLY`). */
  readonly v6Only: boolean;
}

/** The name of an option. */
export type SocketOption = keyof SocketOptions;

/** The number of an option. @throws `ERR_INVALID_ARG_VALUE` if there is no such option. */
export function optionNumber(name: SocketOption): number {
  const number = NAMES.indexOf(name);
  if (number < 0) throw invalidArgValue('name', name, `one of ${NAMES.join(', ')}`);
  return number;
}

/**
 * The value of an option, encoded for the boundary.
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`.
 */
export function encodeOption(name: SocketOption, value: unknown): number {
  if (BOOLEANS.has(name)) {
    if (typeof value !== 'boolean') throw invalidArgType('value', value, `a boolean for ${name}`);
    return value ? 1 : 0;
  }
  if (typeof value !== 'number') throw invalidArgType('value', value, `a number for ${name}`);
  const minimum = name === 'linger' ? -1 : 0;
  if (!Number.isInteger(value) || value < minimum || value > MAX_VALUE) {
    throw outOfRange('value', value, `an integer from ${minimum} to ${MAX_VALUE} for ${name}`);
  }
  return value;
}

/** The value of an option, decoded from the boundary. */
export function decodeOption<N extends SocketOption>(name: N, value: number): SocketOptions[N] {
  return (BOOLEANS.has(name) ? value !== 0 : value) as SocketOptions[N];
}

/** All of them, in the order of their numbers, for a binary that does not list them. */
export const OPTION_NAMES: readonly SocketOption[] = [
  'reuseAddress',
  'reusePort',
  'noDelay',
  'keepAlive',
  'keepAliveIdle',
  'keepAliveInterval',
  'keepAliveCount',
  'linger',
  'receiveBuffer',
  'sendBuffer',
  'v6Only',
];

const NAMES = capabilities.descriptors
  ? (native.socketOptionNames() as readonly SocketOption[])
  : OPTION_NAMES;

const BOOLEANS: ReadonlySet<SocketOption> = new Set<SocketOption>([
  'reuseAddress',
  'reusePort',
  'noDelay',
  'keepAlive',
  'v6Only',
]);

const MAX_VALUE = 0x7fff_ffff;
