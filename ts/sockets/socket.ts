/** Non-blocking sockets, for handlers of the loop. */
import { constants } from 'node:os';
import {
  addressBuffer,
  addressDetails,
  decodeAddress,
  encodeAddress,
  familyOf,
  type Address,
  type Family,
} from './address.js';
import { bytesOfView } from '../support/bytes.js';
import { checkBoolean, checkInteger, checkOptions } from '../support/checks.js';
import { checkNumber, Descriptor } from './descriptor.js';
import { invalidArgType, invalidArgValue, outOfRange, systemError } from '../support/errors.js';
import * as descriptorKinds from './descriptor-kinds.js';
import { native } from '../boundary/native.js';
import { READ, WRITE } from '../boundary/readiness.js';
import { claim, largeRoom } from '../boundary/large-room.js';
import { copyOf, LARGEST_READ, receiveBlocks } from '../boundary/receive-blocks.js';
import {
  decodeOption,
  encodeOption,
  optionNumber,
  type SocketOption,
  type SocketOptions,
} from './socket-options.js';

/** The descriptor of a {@link Socket}, for the rest of the package; `null` of anything else. */
export let descriptorOf: (file: unknown) => Descriptor | null;

/** Options of {@link Socket.recv}. */
export interface RecvOptions {
  /** Whether the bytes are to have memory of their own, by default false. */
  readonly copy?: boolean | undefined;
}

/**
 * A non-blocking stream socket, TCP or Unix. Unlike `net.Socket` it does nothing by itself: the
 * loop says when it is ready, its methods do one system call each.
 *
 * `null` means that the operation would block, an empty `Buffer` or 0 received bytes are the end
 * of the file. What the operating system refuses throws a system error with `code`, `errno` and
 * `syscall`; so does every method of a closed socket, with `EBADF`.
 *
 * A socket that is not closed stays open: nothing closes it when it is collected.
 *
 * Code that has its number ({@link fd}, {@link fileno}, {@link fromFd}) can close it by that number,
 * with `fs.closeSync` for instance. The socket is closed then: from the time its number was asked
 * for, each operation compares device and inode (one `fstat(2)`), and none reaches the file that
 * has the number next.
 */
export class Socket {
  static {
    descriptorOf = (file) =>
      typeof file === 'object' && file !== null && #descriptor in file ? file.#descriptor : null;
  }

  readonly #descriptor: Descriptor;
  readonly #family: Family;
  /**
   * What the descriptor is, one of the binding's `KIND_` constants.
   *
   * @internal
   */
  readonly kind: number;
  /** Where a connection in progress goes to. */
  #connecting: Address | null = null;

  private constructor(fd: number, family: Family, kind: number, adopted = false) {
    this.#descriptor = new Descriptor(fd, adopted);
    this.#family = family;
    this.kind = kind;
  }

  /** A TCP socket, not bound and not connected, by default for IPv4. */
  static tcp(options: { readonly family?: 4 | 6 | undefined } = {}): Socket {
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
    const [first, second] = checkedPair();
    return [new Socket(first, UNIX, KIND_STREAM), new Socket(second, UNIX, KIND_STREAM)];
  }

  /**
   * A socket for an open descriptor, which it owns from now on: {@link close} closes it. The
   * descriptor becomes non-blocking.
   *
   * A socket with messages (UDP, `SOCK_SEQPACKET`) gives one message for each `recv`, cut off if
   * `size` is smaller, and an empty one is not EOF.
   *
   * @throws `EBADF` when the number is not open, `ENOTSOCK` when it is not a socket.
   */
  static fromFd(fd: number): Socket {
    if (typeof fd !== 'number') throw invalidArgType('fd', fd, 'a file descriptor');
    const number = checkNumber(fd, fd);
    checked(native.socketLocalAddress(number, scratch), 'getsockname', number);
    const kind = native.fdKind(number);
    checked(kind, 'getsockopt', number);
    checked(native.fdAdopt(number), 'ioctl', number);
    return new Socket(number, familyOf(scratch), kind, true);
  }

  /**
   * The descriptor; -1 when the socket is closed. Code that has the number can close it, so that
   * each operation verifies it from now on, which costs 0.2 µs.
   */
  get fd(): number {
    return this.#descriptor.expose();
  }

  /** {@link fd}, as a method. */
  fileno(): number {
    return this.#descriptor.expose();
  }

  /** Whether the socket is closed; every other operation then throws `EBADF`. */
  get closed(): boolean {
    return this.#descriptor.isGone;
  }

  /** The address that the socket is bound to; before that, any address and port 0. */
  get localAddress(): Address {
    const fd = this.#open('getsockname');
    checked(native.socketLocalAddress(fd, scratch), 'getsockname', fd);
    return decodeAddress(scratch);
  }

  /** The address of the peer; `null` when the socket is not connected. */
  get remoteAddress(): Address | null {
    const fd = this.#open('getpeername');
    const result = native.socketPeerAddress(fd, scratch);
    if (result === -ENOTCONN || result === -EINVAL) return null;
    checked(result, 'getpeername', fd);
    return decodeAddress(scratch);
  }

  /** Port 0 takes a free one, the host `''` any address: {@link localAddress} tells. */
  bind(address: Address): void {
    // Before the number is asked for: the getters of what is passed may close this socket.
    const encoded = encodeAddress(address, this.#family, true);
    const fd = this.#open('bind');
    const result = native.socketBind(fd, encoded);
    if (result < 0) throw systemError(result, 'bind', { fd, ...addressDetails(address) });
  }

  /** At most `backlog` connections wait to be accepted; the system may have a lower limit. */
  listen(backlog = 128): void {
    const fd = this.#open('listen');
    checkInteger('backlog', backlog, 0, MAX_BACKLOG);
    checked(native.socketListen(fd, backlog), 'listen', fd);
  }

  /** A connection and where it comes from; `null` when none waits. */
  accept(): [Socket, Address] | null {
    const fd = this.#open('accept');
    const result = native.socketAccept(fd, scratch);
    if (result === -EAGAIN) {
      this.#descriptor.drained(READ);
      return null;
    }
    checked(result, 'accept', fd);
    return [new Socket(result, this.#family, this.kind), decodeAddress(scratch)];
  }

  /**
   * True when the connection stands at once; false when it is in progress. It is ready to write
   * when that is over, and {@link takeError} tells how it ended.
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
   * What has failed in the background, such as a connection; the system tells it once. `null` does
   * not say that a connection stands: one that is in progress has not failed yet.
   */
  takeError(): Error | null {
    const fd = this.#open('getsockopt');
    const result = native.socketTakeError(fd);
    const address = this.#connecting;
    if (result >= 0) {
      if (address !== null && this.remoteAddress !== null) this.#connecting = null;
      return null;
    }
    this.#connecting = null;
    // The kernel reports here what has failed since the last system call: sending, or else receiving.
    if (address === null) return systemError(result, result === -EPIPE ? 'write' : 'read');
    return systemError(result, 'connect', { fd, ...addressDetails(address) });
  }

  /**
   * At most `size` bytes; `null` when there are none yet, empty at EOF.
   *
   * The bytes are yours. With a `size` of up to 64 KiB they lie in a block of 128 KiB, together
   * with what other calls have received, also from other connections. The block lives as long as one
   * of them, and it is what `postMessage()` and `structuredClone()` copy, all of it. `copy: true` gives
   * memory of its own: use it for what goes to another thread, and for small messages that are kept
   * for long.
   *
   * @throws As every method; `ERR_OUT_OF_RANGE`, `ERR_INVALID_ARG_TYPE` for `size` and `copy`.
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
    if (size > LARGEST_READ) return this.#recvLarge(fd, size);
    const room = receiveBlocks.reserve(size);
    // What does not fit of a message is lost: it has all the room that was asked for.
    if (room < size && this.kind === KIND_MESSAGES) return this.#recvLarge(fd, size);
    const count = this.#recv(fd, receiveBlocks.block.bytes, receiveBlocks.offset, room);
    return count === null ? null : receiveBlocks.take(count);
  }

  /** Fills the front of `buffer`: how many bytes; `null` when there are none yet, 0 at the end. */
  recvInto(buffer: Uint8Array): number | null {
    if (!(buffer instanceof Uint8Array)) throw invalidArgType('buffer', buffer, 'a Uint8Array');
    const { length } = buffer;
    const fd = this.#open('recv');
    if (length === 0) throw outOfRange('buffer.length', 0, 'above 0');
    return this.#recv(fd, buffer, 0, Math.min(length, MAX_SIZE));
  }

  /**
   * How many bytes of `data` (a string as UTF-8, any typed array, a `DataView`) the system took,
   * from its front, at most 1 GiB in a call; `null` when it has no room now. With `offset` and
   * `length`, in bytes, a part of a buffer is sent, without a view of it.
   */
  send(data: string | ArrayBufferView, offset = 0, length?: number): number | null {
    const bytes = sendable(data);
    const available = bytes.length;
    const fd = this.#open('send');
    checkInteger('offset', offset, 0, available);
    const end = available - offset;
    if (length !== undefined) checkInteger('length', length, 0, end);
    const size = Math.min(length ?? end, MAX_SIZE);
    const count = native.socketSend(fd, bytes, offset, size);
    if (count < size) {
      if (count !== -EAGAIN) checked(count, 'send', fd);
      this.#descriptor.drained(WRITE);
    }
    return count < 0 ? null : count;
  }

  /** Ends one direction, or both. The peer reads the end of the file after what was sent. */
  shutdown(how: 'read' | 'write' | 'both'): void {
    const fd = this.#open('shutdown');
    const direction = SHUTDOWN.get(how);
    if (direction === undefined) throw invalidArgValue('how', how, "'read', 'write' or 'both'");
    checked(native.socketShutdown(fd, direction), 'shutdown', fd);
  }

  /** @throws A system error when a socket of this kind has no such option. */
  setOption<N extends SocketOption>(name: N, value: SocketOptions[N]): void {
    const option = optionNumber(name);
    const encoded = encodeOption(name, value);
    const fd = this.#open('setsockopt');
    checked(native.socketSetOption(fd, option, encoded), 'setsockopt', fd);
  }

  /** What the system has made of the option: it may differ from what was set. */
  getOption<N extends SocketOption>(name: N): SocketOptions[N] {
    const fd = this.#open('getsockopt');
    checked(native.socketGetOption(fd, optionNumber(name), words), 'getsockopt', fd);
    return decodeOption(name, words[0] as number);
  }

  /**
   * Frees the descriptor; a second call does nothing. Its handlers are removed, and a stream on it
   * is closed with `EBADF`. A descriptor that was closed by its number is not closed again.
   */
  close(): void {
    this.#descriptor.close();
  }

  /** {@link close}, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  static #create(family: Family): Socket {
    const fd = native.socketOpen(family);
    if (fd < 0) throw systemError(fd, 'socket');
    return new Socket(fd, family, family === UNIX ? KIND_STREAM : KIND_TCP);
  }

  #open(syscall: string): number {
    const fd = this.#descriptor.use();
    if (fd < 0) throw systemError(-EBADF, syscall);
    return fd;
  }

  #recvLarge(fd: number, size: number): Buffer | null {
    const room = largeRoom(size);
    const count = this.#recv(fd, room, 0, size);
    return count === null ? null : claim(room, count);
  }

  #recv(fd: number, buffer: Uint8Array, offset: number, size: number): number | null {
    const count = native.socketRecv(fd, buffer, offset, size);
    if (count === size) return count;
    if (count === -EAGAIN) {
      this.#descriptor.drained(READ);
      return null;
    }
    checked(count, 'recv', fd);
    // EOF stays: it is not drained.
    if (count > 0 && this.kind === SHORT_IS_ALL) this.#descriptor.readShort();
    return count;
  }
}

const { EAGAIN, EBADF, EINVAL, ENOTCONN, EPIPE } = constants.errno;
const { KIND_TCP, KIND_STREAM, KIND_MESSAGES, SHORT_IS_ALL } = descriptorKinds;
const { CONNECTED } = native;
const UNIX = 1;
const SHUTDOWN: ReadonlyMap<string, number> = new Map([
  ['read', native.SHUTDOWN_READ],
  ['write', native.SHUTDOWN_WRITE],
  ['both', native.SHUTDOWN_BOTH],
]);
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

function sendable(data: string | ArrayBufferView): Uint8Array {
  if (typeof data === 'string') return Buffer.from(data);
  if (ArrayBuffer.isView(data)) return bytesOfView(data, 'send');
  throw invalidArgType('data', data, 'a string, a Buffer, a typed array or a DataView');
}

function checked(result: number, syscall: string, fd: number): void {
  if (result < 0) throw systemError(result, syscall, { fd });
}

function isCopy(options: RecvOptions): boolean {
  checkOptions(options);
  return checkBoolean('copy', options.copy, false);
}
