/** Non-blocking stream sockets. */
import { constants } from 'node:os';
import {
  addressBuffer,
  addressDetails,
  decodeAddress,
  encodeAddress,
  familyOf,
  plainAddress,
  type Address,
  type Family,
} from './address.js';
import { bytesOfView } from '../support/bytes.js';
import { checkBoolean, checkInteger, checkOptions } from '../support/checks.js';
import { checkNumber, Descriptor } from './descriptor.js';
import { store, take, type DetachedToken } from './detached.js';
import type { Outbox } from './outbox.js';
import {
  checked,
  invalidArgType,
  invalidArgValue,
  outOfRange,
  socketBusy,
  systemError,
  unsupported,
} from '../support/errors.js';
import * as descriptorKinds from './descriptor-kinds.js';
import { countDetached } from '../boundary/detached.js';
import { native } from '../boundary/native.js';
import { READ, WRITE } from '../boundary/readiness.js';
import { INSPECT, viewOf } from '../support/inspect.js';
import { INTERNALS } from '../support/internals.js';
import { copyOf } from '../boundary/receive-blocks.js';
import {
  decodeOption,
  encodeOption,
  optionNumber,
  type SocketOption,
  type SocketOptions,
} from './socket-options.js';
import { receive, receiveInto } from './socket-receive.js';
import { viewOfDescriptor, type SocketView } from './socket-view.js';

/** What a socket has besides its file: family, kind, the target of a connection in progress. */
export type SocketState = readonly [Family, number, Address | null];

/** Options of {@link Socket.recv}. */
export interface RecvOptions {
  /** Copy the bytes to memory of their own. By default false. */
  readonly copy?: boolean | undefined;
}

/**
 * A non-blocking stream socket, TCP or Unix. Each method is one system call; `IOLoop.addHandler`
 * reports when the socket is ready.
 *
 * `null` means that the operation would block. An empty `Buffer`, or 0 received bytes, is EOF.
 *
 * Every method throws a system error with `code`, `errno` and `syscall` if the operating system
 * refuses the operation, and `EBADF` if the socket is closed.
 *
 * Call {@link close}: garbage collection does not close a socket.
 *
 * Code that has the number of the descriptor ({@link fd}, {@link fileno}, {@link fromFd}) can close
 * it, for instance with `fs.closeSync`. Once the number was read, each operation compares device
 * and inode (one `fstat(2)`, 0.2 µs): the socket is then closed, and no operation reaches the file
 * that gets the number next.
 */
export class Socket {
  readonly #descriptor: Descriptor;
  readonly #family: Family;
  /**
   * The kind of the descriptor, one of the binding's `KIND_` constants.
   *
   * @internal
   */
  readonly kind: number;
  /** The target of a connection in progress. */
  #connecting: Address | null = null;

  /** @internal */
  protected constructor(descriptor: Descriptor, family: Family, kind: number) {
    this.#descriptor = descriptor;
    this.#family = family;
    this.kind = kind;
  }

  /** A TCP socket, not bound and not connected, by default for IPv4. */
  static tcp(options: { readonly family?: 4 | 6 | undefined } = {}): Socket {
    checkOptions(options);
    const family = options.family ?? 4;
    if (family !== 4 && family !== 6) throw invalidArgValue('options.family', family, '4 or 6');
    return Socket.#create(family);
  }

  /** A Unix stream socket, not bound and not connected. */
  static unix(): Socket {
    return Socket.#create(UNIX);
  }

  /** Two Unix stream sockets, connected to each other. */
  static pair(): [Socket, Socket] {
    if (substitute !== null) throw unsupported('Socket.pair()', 'Use IOStream.pair()');
    const [first, second] = checkedPair();
    const owned = (fd: number): Socket => new Socket(new Descriptor(fd, false), UNIX, KIND_STREAM);
    return [owned(first), owned(second)];
  }

  /**
   * A socket for an open descriptor. The socket owns it: {@link close} closes it. The descriptor
   * becomes non-blocking.
   *
   * On a message socket (UDP, `SOCK_SEQPACKET`) each `recv` returns one message, truncated to
   * `size`, and an empty message is not EOF.
   *
   * @throws `EBADF` if the number is not open, `ENOTSOCK` if it is not a socket.
   */
  static fromFd(fd: number): Socket {
    if (typeof fd !== 'number') throw invalidArgType('fd', fd, 'a file descriptor');
    const number = checkNumber(fd, fd);
    checked(native.socketLocalAddress(number, scratch), 'getsockname', number);
    const kind = native.fdKind(number);
    checked(kind, 'getsockopt', number);
    checked(native.fdAdopt(number), 'ioctl', number);
    return new Socket(new Descriptor(number, true), familyOf(scratch), kind);
  }

  /**
   * The descriptor; -1 if the socket is closed. Other code can close the number, so each later
   * operation verifies it, which costs 200 ns.
   */
  get fd(): number {
    return this.#descriptor.expose();
  }

  /** The same as {@link fd}. */
  fileno(): number {
    return this.#descriptor.expose();
  }

  /**
   * True if the socket is closed or detached; every other operation then throws `EBADF`, or
   * `ERR_IOLOOP_DETACHED`.
   */
  get closed(): boolean {
    return this.#descriptor.isGone;
  }

  /**
   * The address that the socket is bound to; before {@link bind}, the wildcard address and port 0.
   */
  get localAddress(): Address {
    const fd = this.#open('getsockname');
    checked(native.socketLocalAddress(fd, scratch), 'getsockname', fd);
    return decodeAddress(scratch);
  }

  /** The address of the peer; `null` if the socket is not connected. */
  get remoteAddress(): Address | null {
    const fd = this.#open('getpeername');
    const result = native.socketPeerAddress(fd, scratch);
    if (result === -ENOTCONN || result === -EINVAL) return null;
    checked(result, 'getpeername', fd);
    return decodeAddress(scratch);
  }

  /**
   * Binds the socket. Port 0 selects a free port, the host `''` all addresses; {@link localAddress}
   * has the result.
   */
  bind(address: Address): void {
    // Before the number is read: getters of the argument may close this socket.
    const encoded = encodeAddress(address, this.#family, true);
    const fd = this.#open('bind');
    const result = native.socketBind(fd, encoded);
    if (result < 0) throw systemError(result, 'bind', { fd, ...addressDetails(address) });
  }

  /**
   * Listens. At most `backlog` connections wait to be accepted; the system may have a lower limit.
   */
  listen(backlog = 128): void {
    const fd = this.#open('listen');
    checkInteger('backlog', backlog, 0, MAX_BACKLOG);
    checked(native.socketListen(fd, backlog), 'listen', fd);
  }

  /** The next connection and the address of its peer; `null` if it would block. */
  accept(): [Socket, Address] | null {
    const fd = this.#open('accept');
    const result = native.socketAccept(fd, scratch);
    if (result === -EAGAIN) {
      this.#descriptor.drained(READ);
      return null;
    }
    checked(result, 'accept', fd);
    return [
      new Socket(new Descriptor(result, false), this.#family, this.kind),
      decodeAddress(scratch),
    ];
  }

  /**
   * Connects. True if the connection is established at once, false if it is in progress: the socket
   * becomes writable when the attempt has ended, and {@link takeError} returns its error.
   */
  connect(address: Address): boolean {
    const encoded = encodeAddress(address, this.#family, false);
    const fd = this.#open('connect');
    const result = native.socketConnect(fd, encoded);
    if (result < 0) throw systemError(result, 'connect', { fd, ...addressDetails(address) });
    this.#connecting = result === CONNECTED ? null : address;
    return result === CONNECTED;
  }

  /**
   * Takes the pending error of the socket (`SO_ERROR`), such as that of a connection attempt; a
   * second call returns `null`. `null` does not mean connected: an attempt in progress has not
   * failed yet.
   */
  takeError(): Error | null {
    const fd = this.#open('getsockopt');
    const failure = this.#descriptor.outbox?.takeFailure() ?? 0;
    if (failure !== 0) return systemError(failure, 'send', { fd });
    const result = native.socketTakeError(fd);
    const address = this.#connecting;
    if (result >= 0) {
      if (address !== null && this.remoteAddress !== null) this.#connecting = null;
      return null;
    }
    this.#connecting = null;
    // An error since the last system call: of sending, or else of receiving.
    if (address === null) return systemError(result, result === -EPIPE ? 'write' : 'read');
    return systemError(result, 'connect', { fd, ...addressDetails(address) });
  }

  /**
   * Receives at most `size` bytes; `null` if it would block, empty at EOF.
   *
   * The caller owns the bytes. With a `size` of up to 64 KiB they lie in a block of 128 KiB
   * that other calls share, also those of other connections. Each result keeps the whole block
   * alive, and `postMessage()` and `structuredClone()` copy all of it. `copy: true` allocates
   * memory for the result: use it for results that go to another thread, and for small ones that
   * are kept.
   *
   * @throws A system error; `ERR_OUT_OF_RANGE`, `ERR_INVALID_ARG_TYPE` for `size` and `copy`.
   */
  recv(size: number, options?: RecvOptions): Buffer | null {
    if (options === undefined || !isCopy(options)) return this.#recvShared(size);
    const bytes = this.#recvShared(size);
    if (bytes === null) return null;
    return bytes.buffer.byteLength === bytes.length ? bytes : copyOf(bytes, 0, bytes.length);
  }

  #recvShared(size: number): Buffer | null {
    const fd = this.#open('recv');
    checkInteger('size', size, 1, MAX_SIZE);
    return receive(this.#descriptor, this.kind, fd, size);
  }

  /**
   * Receives into the front of `buffer`: the number of bytes; `null` if it would block, 0 at EOF.
   */
  recvInto(buffer: Uint8Array): number | null {
    if (!(buffer instanceof Uint8Array)) throw invalidArgType('buffer', buffer, 'a Uint8Array');
    const { length } = buffer;
    const fd = this.#open('recv');
    if (length === 0) throw outOfRange('buffer.length', 0, 'above 0');
    return receiveInto(this.#descriptor, this.kind, fd, buffer, 0, Math.min(length, MAX_SIZE));
  }

  /**
   * Sends bytes from the front of `data` (a string as UTF-8, any typed array, a `DataView`): the
   * number of bytes that the kernel took, at most 1 GiB per call; `null` if it would block.
   * `offset` and `length`, in bytes, select a part of a buffer without creating a view.
   */
  send(data: string | ArrayBufferView, offset = 0, length?: number): number | null {
    const bytes = sendable(data);
    const available = bytes.length;
    const fd = this.#open('send');
    checkInteger('offset', offset, 0, available);
    const end = available - offset;
    if (length !== undefined) checkInteger('length', length, 0, end);
    const size = Math.min(length ?? end, MAX_SIZE);
    const { outbox } = this.#descriptor;
    if (outbox !== null && !isSent(outbox)) return null;
    const count = native.socketSend(fd, bytes, offset, size);
    if (count < size) {
      if (count !== -EAGAIN) checked(count, 'send', fd);
      this.#descriptor.drained(WRITE);
    }
    return count < 0 ? null : count;
  }

  /**
   * Sends `data` together with those of other sockets: one crossing into the binary sends all of them,
   * when the running code is done, such as all handlers of a turn. The bytes are copied. Those of one
   * socket leave in one system call. Pieces of more than 4 KiB are sent at once, after those before.
   *
   * Returns true if there is room for more. False if the kernel has no room, or 64 KiB wait for the end
   * of the turn; the data are taken all the same.
   *
   * The loop sends what the kernel had no room for as soon as there is room, while the socket has a
   * handler, for any events. A handler for WRITE is called once everything is sent. Without a handler
   * the next call sends the rest.
   *
   * The order is that of the calls, also with {@link send}, which sends these bytes first and returns
   * `null` as long as some are left. {@link close} offers them to the kernel once more, and drops what
   * it does not take. {@link unsent} is their number.
   *
   * An error is reported after the call: a handler is called with ERROR, and further sends throw it,
   * until `recv` has thrown it, after the data that were received before it, or {@link takeError} has
   * taken it.
   *
   * @throws The error of an earlier call, `EBADF`; `ERR_IOLOOP_BUFFER_FULL` if more than 1 MiB would be
   * unsent; `ERR_IOLOOP_SOCKET_BUSY` while a stream has the socket; `ERR_IOLOOP_UNSUPPORTED` for sockets
   * with messages; `ERR_INVALID_ARG_TYPE`. Nothing is taken then.
   */
  sendLater(data: string | ArrayBufferView): boolean {
    const bytes = sendable(data);
    const descriptor = this.#descriptor;
    // The number is used later: it is verified then.
    if (descriptor.isGone) throw descriptor.goneError('send');
    if (descriptor.hasStream) throw socketBusy('sendLater()', STREAMED);
    if (this.kind === KIND_MESSAGES) {
      throw unsupported('sendLater() of a socket with messages', 'Use send()');
    }
    const outbox = descriptor.ownOutbox;
    const isTaken = outbox.add(bytes);
    if (isTaken || !outbox.isWaiting || descriptor.isWatched(null)) return isTaken;
    return outbox.flush();
  }

  /** The number of bytes that {@link sendLater} has taken, and the kernel has not. */
  get unsent(): number {
    return this.#descriptor.outbox?.unsent ?? 0;
  }

  /**
   * Shuts down one direction, or both. The peer reads EOF after the bytes that were sent.
   *
   * @throws `ERR_IOLOOP_SOCKET_BUSY` while bytes of {@link sendLater} wait for room.
   */
  shutdown(how: 'read' | 'write' | 'both'): void {
    const direction = SHUTDOWN.get(how);
    if (direction !== native.SHUTDOWN_READ) this.assertSent('shutdown()');
    const fd = this.#open('shutdown');
    if (direction === undefined) throw invalidArgValue('how', how, "'read', 'write' or 'both'");
    checked(native.socketShutdown(fd, direction), 'shutdown', fd);
  }

  /** Sets an option. @throws A system error if this kind of socket does not have the option. */
  setOption<N extends SocketOption>(name: N, value: SocketOptions[N]): void {
    const option = optionNumber(name);
    const encoded = encodeOption(name, value);
    const fd = this.#open('setsockopt');
    checked(native.socketSetOption(fd, option, encoded), 'setsockopt', fd);
  }

  /** The value of an option; the system may have changed the value that was set. */
  getOption<N extends SocketOption>(name: N): SocketOptions[N] {
    const fd = this.#open('getsockopt');
    checked(native.socketGetOption(fd, optionNumber(name), words), 'getsockopt', fd);
    return decodeOption(name, words[0] as number);
  }

  /**
   * Ends the use of the socket in this thread. Returns a token, with which one call of {@link attach}
   * or {@link IOStream.attach}, in any thread, continues with it: connected, listening, or neither.
   * Send the token by `postMessage()`, `workerData` or a call to a remote loop. Data stay in the
   * kernel until then.
   *
   * Afterwards the socket is {@link closed}, and its methods throw `ERR_IOLOOP_DETACHED`. If its number
   * was read ({@link fd}), the file gets another number, and the one that was read is closed.
   *
   * The descriptor is open until the token is attached, at the most as long as the thread that
   * detached it: when a worker ends, its tokens fail with `ERR_IOLOOP_SENDER_ENDED`. A thread that
   * detaches waits until its tokens are attached. A token that is not needed any more, or was sent to
   * a thread that has ended, can be attached by its sender, and closed.
   *
   * @throws `ERR_IOLOOP_SOCKET_BUSY` while it has a handler or a stream, and while bytes of
   * {@link sendLater} wait for room; `ERR_IOLOOP_DETACHED`; `EBADF`
   * if it is closed; `EMFILE` if the number was read and there is no other. The socket is unchanged
   * then.
   */
  detach(): DetachedToken<'socket'> {
    const descriptor = this.#descriptor;
    this.#open('detach');
    if (descriptor.isWatched(null)) throw socketBusy('detach()', USED);
    this.assertSent('detach()');
    const token = store(descriptor, 'socket', this.toState());
    descriptor.endDetached();
    return token;
  }

  /**
   * The socket that {@link detach} has given this token for; see there.
   *
   * @throws `ERR_IOLOOP_ATTACHED` if it was attached before, by any thread; `ERR_IOLOOP_SENDER_ENDED`;
   * `ERR_IOLOOP_OTHER_PROCESS`; `ERR_INVALID_ARG_TYPE` and `ERR_INVALID_ARG_VALUE` if it is not the
   * token of a socket.
   */
  static attach(token: DetachedToken<'socket'>): Socket {
    return take(token, ONLY_SOCKETS, ({ fd, state }) => Socket.fromState(fd, state as SocketState));
  }

  /**
   * The number of sockets and streams of this process that are detached and not attached, by all
   * threads. It grows if tokens are lost.
   */
  static get detachedCount(): number {
    return countDetached();
  }

  /** @internal A socket on a descriptor of this thread that was attached. */
  static fromState(fd: number, [family, kind, connecting]: SocketState): Socket {
    const socket = new Socket(new Descriptor(fd, false), family, kind);
    socket.#connecting = connecting;
    return socket;
  }

  /** @internal A socket on a descriptor that continues with a number; see {@link Descriptor.giveAway}. */
  static over(descriptor: Descriptor, family: Family, kind: number): Socket {
    return new Socket(descriptor, family, kind);
  }

  /** @internal */
  get family(): Family {
    return this.#family;
  }

  /** @internal For {@link fromState}. */
  toState(): SocketState {
    const connecting = this.#connecting;
    return [this.#family, this.kind, connecting === null ? null : plainAddress(connecting)];
  }

  /**
   * Closes the socket. Idempotent. Its handlers are removed, and a stream on it is closed with
   * `EBADF`. A descriptor that other code has closed by its number is not closed again.
   */
  close(): void {
    this.#descriptor.close();
  }

  /** Calls {@link close}, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** @internal See {@link peekSocket}. */
  peek(): SocketView {
    return viewOfDescriptor(this.#descriptor);
  }

  /** @internal For `util.inspect`. */
  [INSPECT](): object {
    return viewOf(this, #descriptor in this ? peekSocket(this) : {}, { hidden: ['kind'] });
  }

  /** @internal */
  get [INTERNALS](): Descriptor {
    return this.#descriptor;
  }

  static #create(family: Family): Socket {
    if (substitute !== null) return substitute(family);
    const fd = native.socketOpen(family);
    if (fd < 0) throw systemError(fd, 'socket');
    return new Socket(new Descriptor(fd, false), family, family === UNIX ? KIND_STREAM : KIND_TCP);
  }

  #open(syscall: string): number {
    const fd = this.#descriptor.use();
    if (fd < 0) throw this.#descriptor.goneError(syscall);
    return fd;
  }

  /**
   * Sends the bytes of {@link sendLater} now.
   *
   * @internal
   * @throws `ERR_IOLOOP_SOCKET_BUSY` if some are left, and their error.
   */
  assertSent(call: string): void {
    const { outbox } = this.#descriptor;
    if (outbox !== null && !isSent(outbox)) throw socketBusy(call, UNSENT);
  }
}

/** What {@link Socket.tcp} and {@link Socket.unix} make where the package has no sockets of its own. */
let substitute: ((family: Family) => Socket) | null = null;

/** Sets the sockets of systems without a selector. Before the first one is made. */
export function substituteSockets(make: (family: Family) => Socket): void {
  substitute = make;
}

/** The descriptor of a {@link Socket}; `null` if `file` is not a `Socket`. */
export function descriptorOf(file: unknown): Descriptor | null {
  return file instanceof Socket ? file[INTERNALS] : null;
}

/** The state of a {@link Socket} for display: without exposing its descriptor, and if it is closed. */
export function peekSocket(socket: Socket): SocketView {
  return socket.peek();
}

const { EAGAIN, EINVAL, ENOTCONN, EPIPE } = constants.errno;
const { KIND_TCP, KIND_STREAM, KIND_MESSAGES } = descriptorKinds;
const { CONNECTED } = native;
const ONLY_SOCKETS = ['socket'] as const;
const UNIX = 1;
const SHUTDOWN: ReadonlyMap<string, number> = new Map([
  ['read', native.SHUTDOWN_READ],
  ['write', native.SHUTDOWN_WRITE],
  ['both', native.SHUTDOWN_BOTH],
]);
/** Why an operation is refused. */
const USED =
  'needs a socket that no handler and no stream is using. Call removeHandler() first; of a stream, call its own detach()';
const STREAMED = 'needs a socket without a stream. Use write() or send() of the stream';
const UNSENT =
  'needs a socket whose bytes are sent. Wait until unsent is 0: a handler for WRITE is called then';
const MAX_BACKLOG = 0x7fff_ffff;
const MAX_SIZE = 2 ** 30;

/** Written by the core, read at once. */
const scratch = addressBuffer();
const words = new Int32Array(2);

function checkedPair(): [number, number] {
  const result = native.socketPair(words);
  if (result < 0) throw systemError(result, 'socketpair');
  return [words[0] as number, words[1] as number];
}

/** Sends the bytes of an outbox: whether none is left. @throws The error that it has failed with. */
function isSent(outbox: Outbox): boolean {
  const isAll = outbox.flush();
  if (outbox.failure !== 0) throw systemError(outbox.failure, 'send');
  return isAll;
}

function sendable(data: string | ArrayBufferView): Uint8Array {
  if (typeof data === 'string') return Buffer.from(data);
  if (ArrayBuffer.isView(data)) return bytesOfView(data, 'send');
  throw invalidArgType('data', data, 'a string, a Buffer, a typed array or a DataView');
}

function isCopy(options: RecvOptions): boolean {
  checkOptions(options);
  return checkBoolean('copy', options.copy, false);
}
