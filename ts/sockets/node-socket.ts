/** Sockets of `node:net`, for systems where the package has no selector and no sockets of its own. */
import { constants } from 'node:os';
import type { Socket as NetSocket } from 'node:net';
import { nodeNet } from '../support/builtins.js';
import { checkInteger } from '../support/checks.js';
import { systemError, unsupported } from '../support/errors.js';
import { addressDetails, addressText, checkAddress, type Address, type Family } from './address.js';
import { KIND_STREAM } from './descriptor-kinds.js';
import type { DescriptorWatcher } from './descriptor.js';
import { NoDescriptor } from './no-descriptor.js';
import { resetNow } from './node-ends.js';
import { bindHandle, NodeListener, type BoundHandle } from './node-listener.js';
import { Socket } from './socket.js';
import type { SocketView } from './socket-view.js';
import {
  encodeOption,
  optionNumber,
  type SocketOption,
  type SocketOptions,
} from './socket-options.js';

/**
 * The life of a socket.
 *
 * | State | `bind` | `listen` | {@link NodeSocket.begin} | Next |
 * | --- | --- | --- | --- | --- |
 * | new | bound | listening, on a free port; a Unix socket `EINVAL` | connecting | closed |
 * | bound | `EINVAL` | listening | connecting, from that address | closed |
 * | listening | `EINVAL` | listening, with that backlog | `EISCONN` | closed |
 * | connection: connecting, connected, or ended | `EINVAL` | `EINVAL` | `EISCONN` | closed |
 * | closed | `EBADF` | `EBADF` | `EBADF` | |
 */
const enum State {
  New,
  Bound,
  Listening,
  Connection,
  Closed,
}

/**
 * A {@link Socket} for `TCPServer`, `TCPClient` and `IOStream`. It has no descriptor: `recv`, `send`,
 * `detach` and its number are `ERR_IOLOOP_UNSUPPORTED`.
 */
export class NodeSocket extends Socket {
  static {
    // What `util.inspect` shows: programs have a Socket.
    Object.defineProperty(this, 'name', { value: Socket.name });
  }

  readonly #descriptor: NoDescriptor;
  readonly #family: Family;
  readonly #options = new Map<SocketOption, unknown>();
  #state = State.New;
  /** In state bound. */
  #handle: BoundHandle | null = null;
  #local: Address | null = null;
  #listener: NodeListener | null = null;
  #connection: NetSocket | null = null;

  /** `connection` was accepted. */
  constructor(family: Family, connection: NetSocket | null = null) {
    const descriptor = new NoDescriptor();
    super(descriptor, family, KIND_STREAM);
    this.#descriptor = descriptor;
    this.#family = family;
    if (connection === null) return;
    this.#state = State.Connection;
    this.#connection = connection;
  }

  override get closed(): boolean {
    return this.#state === State.Closed;
  }

  override get localAddress(): Address {
    this.#assertOpen('getsockname');
    if (this.#local !== null) return this.#local;
    const { localAddress, localPort } = this.#connection ?? {};
    return this.#addressOf(localAddress, localPort) ?? this.#anyAddress();
  }

  override get remoteAddress(): Address | null {
    this.#assertOpen('getpeername');
    const connection = this.#connection;
    if (connection === null || connection.connecting || connection.pending) return null;
    return this.#addressOf(connection.remoteAddress, connection.remotePort);
  }

  /** The listening socket; `null` in another state. */
  get listener(): NodeListener | null {
    return this.#listener;
  }

  /** The connection, connected or not; made when it is first needed. */
  get connection(): NetSocket {
    return (this.#connection ??= this.#newConnection());
  }

  override bind(address: Address): void {
    const wanted = withZone(checkAddress(address, this.#family, true), address);
    this.#assertOpen('bind');
    if (this.#state !== State.New) throw systemError(-EINVAL, 'bind', addressDetails(address));
    this.#handle = bindHandle(wanted, this.#family, this.#options.get('v6Only') === true);
    this.#local = boundAddress(this.#handle, wanted);
    this.#state = State.Bound;
  }

  override listen(backlog = 128): void {
    this.#assertOpen('listen');
    checkInteger('backlog', backlog, 0, MAX_BACKLOG);
    if (this.#listener !== null) {
      this.#listener.backlog = backlog;
      return;
    }
    // As `listen(2)`, which binds a TCP socket to a free port.
    if (this.#state === State.New && this.#family !== UNIX) this.bind({ host: '', port: 0 });
    const handle = this.#handle;
    if (handle === null) throw systemError(-EINVAL, 'listen');
    this.#handle = null;
    try {
      this.#listener = new NodeListener(handle, backlog);
    } catch (error) {
      this.close();
      throw error;
    }
    this.#state = State.Listening;
  }

  override accept(): [Socket, Address] | null {
    this.#assertOpen('accept');
    if (this.#listener === null) throw systemError(-EINVAL, 'accept');
    for (;;) {
      const connection = this.#listener.take();
      if (connection === null) return null;
      const socket = new NodeSocket(this.#family, connection);
      const address = socket.remoteAddress;
      // It was reset while it waited.
      if (address !== null) return [socket, address];
      socket.close();
    }
  }

  /** Not supported: {@link IOStream.connect} connects. */
  override connect(): never {
    throw this.#descriptor.goneError('connect');
  }

  /**
   * Starts to connect {@link connection}, which emits `'connect'` or `'error'`.
   *
   * @throws `ERR_INVALID_ARG_TYPE` and the like for the address; `EBADF`, `EISCONN`.
   */
  begin(address: Address): void {
    const target = withZone(checkAddress(address, this.#family, false), address);
    this.#assertOpen('connect');
    const details = addressDetails(address);
    if (this.#state > State.Bound) throw systemError(-EISCONN, 'connect', details);
    const local = this.#local;
    this.#handle?.close();
    this.#handle = this.#local = null;
    const { connection } = this;
    this.#state = State.Connection;
    if ('path' in target) {
      connection.connect({ path: target.path });
      return;
    }
    const from =
      local === null || 'path' in local
        ? {}
        : { localAddress: local.host, ...(local.port === 0 ? {} : { localPort: local.port }) };
    connection.connect({ host: target.host, port: target.port, ...from });
  }

  override takeError(): Error | null {
    this.#assertOpen('getsockopt');
    return null;
  }

  override shutdown(): never {
    throw this.#descriptor.goneError('shutdown');
  }

  override setOption<N extends SocketOption>(name: N, value: SocketOptions[N]): void {
    // They check the name and the value.
    optionNumber(name);
    encodeOption(name, value);
    this.#assertOpen('setsockopt');
    this.#assertHas(name, 'setsockopt');
    const isSupported = SUPPORTED.has(name) || (name === 'linger' && (value as number) <= 0);
    if (!isSupported && value !== false) {
      throw unsupported(`The option ${name} of a socket of node:net`, 'Leave it out');
    }
    this.#options.set(name, value);
    if (this.#connection !== null) this.#apply(this.#connection);
  }

  override getOption<N extends SocketOption>(name: N): SocketOptions[N] {
    optionNumber(name);
    this.#assertOpen('getsockopt');
    this.#assertHas(name, 'getsockopt');
    if (!SUPPORTED.has(name)) {
      throw unsupported(`getOption('${name}') of a socket of node:net`, 'Leave it out');
    }
    return (this.#options.get(name) ?? (name === 'keepAliveIdle' ? 0 : false)) as SocketOptions[N];
  }

  override close(): void {
    if (this.#state === State.Closed) return;
    this.#state = State.Closed;
    this.#handle?.close();
    this.#listener?.close();
    const connection = this.#connection;
    if (connection !== null) {
      // A connection that is not one yet cannot be reset.
      if (this.#options.get('linger') === 0 && !connection.pending) resetNow(connection);
      else connection.destroy();
    }
    this.#descriptor.close();
  }

  /** Notifies `watcher` when the socket is closed. */
  watch(watcher: DescriptorWatcher): void {
    this.#descriptor.watch(watcher);
  }

  unwatch(watcher: DescriptorWatcher): void {
    this.#descriptor.unwatch(watcher);
  }

  override peek(): SocketView {
    if (this.closed) return { fd: -1, local: null, remote: null };
    const remote = this.remoteAddress;
    return {
      fd: null,
      local: addressText(this.localAddress),
      remote: remote === null ? null : addressText(remote),
    };
  }

  #newConnection(): NetSocket {
    const connection = new (nodeNet().Socket)({ allowHalfOpen: true });
    connection.on('error', ignore);
    connection.unref();
    this.#apply(connection);
    return connection;
  }

  /** Node keeps the options of a socket that is not connected yet. */
  #apply(connection: NetSocket): void {
    const { noDelay, keepAlive, keepAliveIdle } = Object.fromEntries(this.#options) as {
      readonly [N in SocketOption]?: SocketOptions[N];
    };
    if (noDelay !== undefined) connection.setNoDelay(noDelay);
    if (keepAlive !== undefined) connection.setKeepAlive(keepAlive, 1e3 * (keepAliveIdle ?? 0));
  }

  /** `undefined` has come from a Unix socket, or from one that is closed. */
  #addressOf(host: string | undefined, port: number | undefined): Address | null {
    if (this.#family === UNIX) return { path: '' };
    return host === undefined || port === undefined ? null : { host, port };
  }

  #anyAddress(): Address {
    if (this.#family === UNIX) return { path: '' };
    return { host: this.#family === 6 ? '::' : '0.0.0.0', port: 0 };
  }

  #assertHas(name: SocketOption, syscall: string): void {
    if (name === 'v6Only' && this.#family !== 6) throw systemError(-ENOPROTOOPT, syscall);
  }

  #assertOpen(syscall: string): void {
    if (this.#state === State.Closed) throw systemError(-EBADF, syscall);
  }
}

const { EBADF, EINVAL, EISCONN, ENOPROTOOPT } = constants.errno;
const UNIX = 1;
const MAX_BACKLOG = 0x7fff_ffff;

/** `reuseAddress` is what libuv sets by itself. */
const SUPPORTED: ReadonlySet<SocketOption> = new Set<SocketOption>([
  'reuseAddress',
  'noDelay',
  'keepAlive',
  'keepAliveIdle',
  'v6Only',
]);

/** With the name of the zone, if one was given: libuv takes no index on Unix. */
function withZone(checked: Address, given: Address): Address {
  if ('path' in checked || 'path' in given || !checked.host.includes('%')) return checked;
  return { host: given.host, port: checked.port };
}

function boundAddress(handle: BoundHandle, wanted: Address): Address {
  if ('path' in wanted) return wanted;
  const name: { address?: string; port?: number } = {};
  handle.getsockname?.(name);
  return { host: name.address ?? wanted.host, port: name.port ?? wanted.port };
}

function ignore(): void {}
