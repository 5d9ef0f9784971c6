/** Listening sockets. */
import { chmodSync, lstatSync, unlinkSync } from 'node:fs';
import { constants } from 'node:os';
import { checkInteger, checkOptions } from '../support/checks.js';
import { invalidArgType, invalidArgValue, systemError } from '../support/errors.js';
import { portNumber } from '../sockets/address.js';
import { ipFamily } from '../sockets/ip-address.js';
import { Socket } from '../sockets/socket.js';
import { keyOf, rememberCall, takeInherited } from './workers/inherited.js';

/** Options of {@link bindSockets}. */
export interface BindOptions {
  /** Bind only addresses of this family; by default both. */
  readonly family?: 4 | 6 | undefined;
  /** Most connections in the kernel's queue, not yet accepted; by default 128. */
  readonly backlog?: number | undefined;
  /**
   * Whether sockets of several processes or workers may share the port (`SO_REUSEPORT`): the kernel
   * distributes the connections. By default false.
   */
  readonly reusePort?: boolean | undefined;
}

/**
 * Binds listening sockets to `port`, a number or a string of digits. `address` is an IP address,
 * `'localhost'` (a socket for 127.0.0.1 and one for ::1), or `null` for all interfaces (a socket for
 * IPv4 and one for IPv6). A family that the system does not support is left out. For port 0 the
 * system chooses a port, the same for both.
 *
 * The sockets have `SO_REUSEADDR`, those for IPv6 `IPV6_V6ONLY`.
 *
 * In a process of {@link forkProcesses} or `TCPServer.start(n)`, the same call returns the sockets
 * that the process has inherited, once.
 *
 * Differs from Tornado: `address` is not resolved.
 *
 * @throws `EADDRINUSE`, `EACCES`, `EADDRNOTAVAIL` and other errors of the system;
 * `ERR_INVALID_ARG_VALUE` for a host name; `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`. No socket is
 * left open then.
 */
export function bindSockets(
  port: number | string,
  address: string | null = null,
  options: BindOptions = {},
): Socket[] {
  const number = portNumber('port', port);
  checkOptions(options);
  const hosts = hostsOf(address, options.family);
  const key = keyOf('tcp', number, address, options.family);
  const inherited = takeInherited(key);
  if (inherited !== null) return inherited;
  for (let attempt = 1; ; attempt += 1) {
    const sockets: Socket[] = [];
    try {
      for (const host of hosts) bindHost(sockets, host, number, options);
      if (sockets.length > 0) return rememberCall(key, sockets);
      throw systemError(-EADDRNOTAVAIL, 'bind', { address: String(address), port: number });
    } catch (error) {
      for (const socket of sockets) socket.close();
      // The chosen port is free for one family and taken for the other: choose again.
      const isTaken = (error as { code?: unknown }).code === 'EADDRINUSE';
      if (number !== 0 || !isTaken || sockets.length === 0 || attempt === ATTEMPTS) throw error;
    }
  }
}

/** Options of {@link bindUnixSocket}. */
export interface BindUnixOptions {
  /** The permissions of the file; by default 0o600, access for its owner only. */
  readonly mode?: number | undefined;
  /** Most connections in the kernel's queue, not yet accepted; by default 128. */
  readonly backlog?: number | undefined;
}

/**
 * Binds a listening Unix socket to `path`. If there is a socket at the path, it is replaced. A path
 * that begins with NUL is an abstract name (Linux).
 *
 * @throws `ERR_INVALID_ARG_VALUE` if there is another kind of file at the path; errors of the system;
 * `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`. No socket is left open then.
 */
export function bindUnixSocket(path: string, options: BindUnixOptions = {}): Socket {
  if (typeof path !== 'string') throw invalidArgType('path', path, 'a string');
  checkOptions(options);
  const { mode = 0o600, backlog = DEFAULT_BACKLOG } = options;
  checkInteger('mode', mode, 0, 0o7777);
  const key = keyOf('unix', path);
  const inherited = takeInherited(key)?.[0];
  if (inherited !== undefined) return inherited;
  const isAbstract = path.startsWith('\0');
  if (!isAbstract) removeSocket(path);
  const socket = Socket.unix();
  try {
    socket.bind({ path });
    // Between bind and listen: no connection is possible before the mode is set.
    if (!isAbstract) chmodSync(path, mode);
    socket.listen(backlog);
    rememberCall(key, [socket]);
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

interface Host {
  readonly host: string;
  readonly family: 4 | 6;
  /** Its family may be missing: it is one of several. */
  readonly optional: boolean;
}

function hostsOf(address: string | null, family: 4 | 6 | undefined): Host[] {
  if (family !== undefined && family !== 4 && family !== 6) {
    throw invalidArgValue('family', family, '4 or 6');
  }
  if (address !== null && typeof address !== 'string') {
    throw invalidArgType('address', address, 'a string or null');
  }
  const all = namesOf(address);
  const hosts = all.filter((host) => family === undefined || host.family === family);
  if (hosts.length === 0) throw invalidArgValue('address', address, `an IPv${family} address`);
  return hosts;
}

function namesOf(address: string | null): Host[] {
  if (address === null || address === '') {
    return [
      { host: '', family: 4, optional: true },
      { host: '', family: 6, optional: true },
    ];
  }
  if (address === 'localhost') {
    return [
      { host: '127.0.0.1', family: 4, optional: true },
      { host: '::1', family: 6, optional: true },
    ];
  }
  const literal = ipFamily(address);
  if (literal !== 0) return [{ host: address, family: literal, optional: false }];
  const expected = "an IP address or 'localhost': resolve a name first, with dns.promises.lookup()";
  throw invalidArgValue('address', address, expected);
}

function bindHost(
  sockets: Socket[],
  { host, family, optional }: Host,
  port: number,
  options: BindOptions,
): void {
  const { reusePort = false, backlog = DEFAULT_BACKLOG } = options;
  let socket: Socket | null = null;
  try {
    socket = Socket.tcp({ family });
    socket.setOption('reuseAddress', true);
    if (reusePort) socket.setOption('reusePort', true);
    if (family === 6) socket.setOption('v6Only', true);
    const [first] = sockets;
    socket.bind({ host, port: port === 0 && first !== undefined ? portOf(first) : port });
    socket.listen(backlog);
    sockets.push(socket);
  } catch (error) {
    socket?.close();
    const { code } = error as { code?: unknown };
    if (!optional || (code !== 'EAFNOSUPPORT' && code !== 'EADDRNOTAVAIL')) throw error;
  }
}

/** The port of a TCP socket. */
export function portOf(socket: Socket): number {
  const address = socket.localAddress;
  return 'port' in address ? address.port : 0;
}

function removeSocket(path: string): void {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isSocket()) {
    throw invalidArgValue('path', path, 'free, or the path of a socket that may be replaced');
  }
  unlinkSync(path);
}

const { EADDRNOTAVAIL } = constants.errno;
const DEFAULT_BACKLOG = 128;

/** Most choices of a port that is free in all families. */
const ATTEMPTS = 10;
