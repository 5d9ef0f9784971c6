/** Listening sockets. */
import { chmodSync, lstatSync, unlinkSync } from 'node:fs';
import { constants } from 'node:os';
import { portNumber } from '../sockets/address.js';
import { invalidArgType, invalidArgValue, systemError } from '../support/errors.js';
import { ipFamily } from '../sockets/ip-address.js';
import { Socket } from '../sockets/socket.js';
import { checkInteger } from '../support/checks.js';

/** Options of {@link bindSockets}. */
export interface BindOptions {
  /** Only this family; by default both. */
  readonly family?: 4 | 6 | undefined;
  /** Connections that may wait to be accepted, by default 128. */
  readonly backlog?: number | undefined;
  /**
   * Whether several sockets, of several processes or workers, may share the port: the kernel
   * spreads the connections (`SO_REUSEPORT`).
   */
  readonly reusePort?: boolean | undefined;
}

/**
 * Listening sockets on `port`, a number or its digits: one for each address that `address` stands
 * for. `address` is an IP address, `'localhost'`, or nothing for all interfaces, IPv4 and IPv6. With
 * port 0 the system chooses one, the same for all. A family that the system does not have is left out.
 *
 * @throws `EADDRINUSE`, `EACCES` and what else the system says; `ERR_INVALID_ARG_VALUE` for a name,
 * which has to be resolved first. No socket is open then.
 */
export function bindSockets(
  port: number | string,
  address: string | null = null,
  options: BindOptions = {},
): Socket[] {
  const number = portNumber('port', port);
  const hosts = hostsOf(address, options.family);
  for (let attempt = 1; ; attempt += 1) {
    const sockets: Socket[] = [];
    try {
      for (const host of hosts) bindHost(sockets, host, number, options);
      if (sockets.length > 0) return sockets;
      throw systemError(-EADDRNOTAVAIL, 'bind', { address: String(address), port: number });
    } catch (error) {
      for (const socket of sockets) socket.close();
      // The port that was free for one family is another's in the next.
      const isTaken = (error as { code?: unknown }).code === 'EADDRINUSE';
      if (number !== 0 || !isTaken || sockets.length === 0 || attempt === ATTEMPTS) throw error;
    }
  }
}

/** Options of {@link bindUnixSocket}. */
export interface BindUnixOptions {
  /** The permissions of the file, by default only for its owner: 0o600. */
  readonly mode?: number | undefined;
  /** Connections that may wait to be accepted, by default 128. */
  readonly backlog?: number | undefined;
}

/**
 * A listening Unix socket. A socket that was left over under the path is replaced; anything else
 * there is not. A path that begins with NUL is an abstract name (Linux).
 *
 * @throws `ERR_INVALID_ARG_VALUE` when there is something else under the path, and what the system
 * says.
 */
export function bindUnixSocket(path: string, options: BindUnixOptions = {}): Socket {
  if (typeof path !== 'string') throw invalidArgType('path', path, 'a string');
  const { mode = 0o600, backlog = DEFAULT_BACKLOG } = options;
  checkInteger('mode', mode, 0, 0o7777);
  const isAbstract = path.startsWith('\0');
  if (!isAbstract) removeSocket(path);
  const socket = Socket.unix();
  try {
    socket.bind({ path });
    // Before it listens nobody can connect: there is no moment in which others may.
    if (!isAbstract) chmodSync(path, mode);
    socket.listen(backlog);
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

interface Host {
  readonly host: string;
  readonly family: 4 | 6;
  /** Whether its absence is no error: it is one of several. */
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

/** Choices of a port that is free in all families. */
const ATTEMPTS = 10;
