/** A listening socket of `node:net`, bound and listening at once, as `bind(2)` and `listen(2)`. */
import type { Server, Socket as NetSocket } from 'node:net';
import { nodeNet } from '../support/builtins.js';
import { systemError, unsupported } from '../support/errors.js';
import { Fifo } from '../support/fifo.js';
import { addressDetails, type Address, type Family } from './address.js';
import { resetNow } from './node-ends.js';

/** The members of libuv's handle that a bound socket needs. */
export interface BoundHandle {
  getsockname?(name: object): number;
  listen(backlog: number): number;
  close(): void;
}

/**
 * Binds a handle. `server.listen()` alone would resolve the host first, and report errors later.
 *
 * @throws `EADDRINUSE` and the like; `ERR_IOLOOP_UNSUPPORTED` if this Node cannot.
 */
export function bindHandle(address: Address, family: Family, v6Only: boolean): BoundHandle {
  const { _createServerHandle: create } = nodeNet() as unknown as { _createServerHandle?: Create };
  if (create === undefined) {
    throw unsupported('Listening by node:net', 'It needs net._createServerHandle() of Node');
  }
  const handle =
    'path' in address
      ? create(address.path, -1, -1)
      : create(address.host, address.port, family, undefined, v6Only ? UV_TCP_IPV6ONLY : 0);
  if (typeof handle === 'number') throw bindError(handle, address);
  // libuv puts `EADDRINUSE` off until the next call.
  const result = handle.getsockname?.({}) ?? 0;
  if (result < 0 && 'port' in address) {
    handle.close();
    throw bindError(result, address);
  }
  return handle;
}

/** Connections that were accepted, and wait for the program. It does not keep the process alive. */
export class NodeListener {
  /** Called when {@link take} has something new to give. */
  onWaiting: (() => void) | null = null;
  /** Whether the next turn takes what waits: a burst may then be larger than the backlog. */
  isTaken = false;
  readonly #server: Server;
  #backlog: number;
  readonly #accepted = new Fifo<NetSocket>();
  #error: Error | null = null;

  /** @throws `EADDRINUSE` and the like. `handle` is closed then. */
  constructor(handle: BoundHandle, backlog: number) {
    this.#backlog = Math.max(1, backlog);
    // For its error, which `server.listen()` would emit later. A pipe listens once only.
    const result = handle.getsockname === undefined ? 0 : handle.listen(this.#backlog);
    if (result < 0) {
      handle.close();
      throw systemError(result, 'listen');
    }
    this.#server = nodeNet().createServer({ allowHalfOpen: true, pauseOnConnect: true });
    this.#server.on('connection', this.#onConnection);
    this.#server.on('error', (error) => {
      this.#error = error;
      this.onWaiting?.();
    });
    this.#server.listen(handle, this.#backlog);
    this.#server.unref();
  }

  /** Most connections that wait while nothing takes them; one, if it is less. */
  set backlog(most: number) {
    this.#backlog = Math.max(1, most);
  }

  /** Whether {@link take} has something to give. */
  get isWaiting(): boolean {
    return this.#accepted.length > 0 || this.#error !== null;
  }

  /**
   * The next connection; `null` if none waits.
   *
   * @throws The error of accepting, such as `EMFILE`, once.
   */
  take(): NetSocket | null {
    const error = this.#error;
    this.#error = null;
    if (error !== null) throw error;
    const connection = this.#accepted.at(0) ?? null;
    this.#accepted.shift();
    return connection;
  }

  /** Resets the connections that wait, as the kernel does. */
  close(): void {
    this.#server.close();
    for (let next = this.#accepted.at(0); next !== undefined; next = this.#accepted.at(0)) {
      this.#accepted.shift();
      resetNow(next);
    }
  }

  readonly #onConnection = (connection: NetSocket): void => {
    // It may fail while it waits; a stream on it finds out by itself.
    connection.on('error', ignore);
    // The running loop keeps the process alive, not its connections.
    connection.unref();
    // Node accepts by itself what the kernel would leave in its backlog, or ask the peer to send again.
    const most = this.isTaken ? Math.max(this.#backlog, LARGEST_BURST) : this.#backlog;
    if (this.#accepted.length >= most) {
      resetNow(connection);
      return;
    }
    this.#accepted.push(connection);
    this.onWaiting?.();
  };
}

type Create = (
  address: string,
  port: number,
  family: Family | -1,
  fd?: undefined,
  flags?: number,
) => BoundHandle | number;

const UV_TCP_IPV6ONLY = 1;

/** Connections that one iteration of Node's loop may accept: the kernel's own limit (`somaxconn`). */
const LARGEST_BURST = 4096;

function bindError(errno: number, address: Address): Error {
  return systemError(errno, 'bind', addressDetails(address));
}

function ignore(): void {}
