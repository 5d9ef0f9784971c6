/**
 * The transport on a descriptor in the loop. It is watched edge-triggered, so that it keeps its
 * readiness: {@link FdTransport.readable} until a read proves it drained, `peerClosed` for good.
 *
 * | State | `connected` | In the loop's table | Next |
 * | --- | --- | --- | --- |
 * | unconnected | false | no | connecting: `connect`; closed |
 * | connecting | false | yes | open, closed: `connectResult`; closed |
 * | open | true | yes | lost: the number was closed elsewhere; closed |
 * | lost, closed | either | no | |
 *
 * A report has two steps. {@link FdTransport.collect} changes `readable` and `peerClosed` and stores
 * received bytes; {@link FdTransport.dispatch} notifies the stream, which may close it: each step
 * of the dispatch looks at the table again.
 */
import { constants } from 'node:os';
import { capabilities } from '../boundary/capabilities.js';
import { native } from '../boundary/native.js';
import {
  EDGE,
  ERROR,
  HANG_UP,
  PRI,
  READ,
  READ_CLOSED,
  VERIFY,
  WRITE,
} from '../boundary/readiness.js';
import type { Block } from '../boundary/receive-blocks.js';
import { isUnspliceable, type Pipe } from '../boundary/pipes.js';
import type { SendBatch } from '../boundary/send-batch.js';
import type { LoopIO } from '../loop/io.js';
import { STREAMS, type Source, type SourcePhase } from '../loop/sources.js';
import { addressBuffer, addressDetails, type Address } from '../sockets/address.js';
import { Descriptor, type DescriptorWatcher } from '../sockets/descriptor.js';
import {
  assertStreamKind,
  KIND_RECORDS,
  KIND_TCP,
  LARGEST_RECORD,
  SHORT_IS_ALL,
} from '../sockets/descriptor-kinds.js';
import { cannotWatch, closeFd, fdOf, readAheadOf, type FdLike } from '../sockets/fd.js';
import { store, type DetachedToken } from '../sockets/detached.js';
import { descriptorOf, Socket, type SocketState } from '../sockets/socket.js';
import { closedLoop, invalidArgType, streamBusy, systemError } from '../support/errors.js';
import {
  RECEIVE,
  type Demand,
  type FdSink,
  type Transport,
  type TransportEvents,
  type Writer,
  type WriterLimits,
  type WriterOwner,
} from './transport.js';
import { FdWriter } from './writer.js';

/** What another thread needs to know of the file of a transport. */
export interface TransportState {
  /** `null` if it is not a socket. */
  readonly socket: SocketState | null;
}

const { NOT_RECEIVED, MODE_STREAM, MODE_FILE } = native;

/** A socket, a pipe, a terminal, or another descriptor that can be watched. */
export class FdTransport implements Transport, FdSink, Source, DescriptorWatcher {
  readonly socket: Socket | null;
  readonly mode: number;
  readonly leastRoom: number;
  readonly hasHalfClose: boolean;
  connected: boolean;
  readable = false;
  peerClosed = false;
  failure = 0;

  readonly #io: LoopIO;
  readonly #file: FdLike;
  readonly #descriptor: Descriptor;
  /** The stream. Definite: {@link open} sets it before there are events. */
  #events!: TransportEvents;
  /** In the table of the loop; {@link UNWATCHED} when it is not. */
  #index = UNWATCHED;
  /** Turns receive for it: its reader waits for few bytes. Kept here until it is in the table. */
  #receiving = false;
  /** Queued for the next turn, for the end of the tick: the loop's queues hold it once. */
  #continuing = false;
  #atTickEnd = false;
  /** A short read proves it drained: until urgent data is reported, at which a read stops. */
  #shortIsAll: boolean;

  /**
   * Owns `file`, which is non-blocking. `kind` is one of the `KIND_` constants of the binding.
   *
   * @throws `ERR_IOLOOP_UNSUPPORTED` for a socket with messages.
   */
  protected constructor(io: LoopIO, file: FdLike, kind: number, descriptor = descriptorFor(file)) {
    assertStreamKind(kind);
    const socket = file instanceof Socket ? file : null;
    this.#io = io;
    this.#file = file;
    this.#descriptor = descriptor;
    this.#shortIsAll = kind === SHORT_IS_ALL;
    this.socket = socket;
    this.mode = socket === null ? MODE_STREAM | MODE_FILE : MODE_STREAM;
    // Only sockets have one.
    this.hasHalfClose = socket !== null;
    this.leastRoom = kind === KIND_RECORDS ? LARGEST_RECORD : 1;
    this.connected = socket === null || native.socketConnected(this.#descriptor.use()) > 0;
  }

  /**
   * The transport on a socket.
   *
   * @throws `ERR_INVALID_ARG_TYPE` unless it is a {@link Socket}, `EBADF` when it is closed;
   * `ERR_IOLOOP_SOCKET_BUSY` while bytes of `sendLater()` wait for room.
   */
  static on(io: LoopIO, socket: unknown): FdTransport {
    if (!(socket instanceof Socket)) {
      throw invalidArgType('socket', socket, 'a Socket; IOStream.fromFd() takes other descriptors');
    }
    if (socket.closed) throw descriptorFor(socket).goneError('getsockname');
    socket.assertSent('new IOStream()');
    return new this(io, socket, socket.kind);
  }

  /** The transport on a descriptor that was attached, with the state that {@link detach} has stored. */
  static attached(io: LoopIO, fd: number, { socket }: TransportState): FdTransport {
    const transport =
      socket === null
        ? new this(io, fd, native.fdKind(fd), new Descriptor(fd, false))
        : this.on(io, Socket.fromState(fd, socket));
    // The kernel does not say so of a socket whose peer has closed.
    transport.connected = true;
    return transport;
  }

  /**
   * Gives `open` the transport on any descriptor that can be watched, which becomes non-blocking. A
   * stream of Node's is not read by Node any more, unless `open` throws.
   *
   * @throws `EBADF` when the descriptor is not open, `ERR_IOLOOP_UNSUPPORTED` for a socket with
   * messages, `ERR_IOLOOP_FD_BUSY` for a stream of Node's that is consumed; the error of `open`.
   */
  static adopt<T>(io: LoopIO, file: FdLike, open: (transport: FdTransport) => T): T {
    const fd = fdOf(file);
    const kind = native.fdKind(fd);
    if (kind < 0) throw systemError(kind, 'fstat', { fd });
    assertStreamKind(kind);
    const readAhead = readAheadOf(file);
    try {
      readAhead?.stop();
      return open(new this(io, nonBlocking(file, fd), kind));
    } catch (error) {
      readAhead?.resume();
      throw error;
    }
  }

  get tlsSocket(): null {
    return null;
  }

  get fd(): number {
    return this.#descriptor.use();
  }

  get isFile(): boolean {
    return (this.mode & MODE_FILE) !== 0;
  }

  get batch(): SendBatch {
    return this.#io.batch;
  }

  get sendBudget(): number {
    return this.#io.capacities.sendBudget;
  }

  countSent(bytes: number): void {
    this.#io.counters.sent += bytes;
  }

  get phase(): SourcePhase {
    return STREAMS;
  }

  fileno(): number {
    // A stream whose number was closed elsewhere is connected, and no longer watched.
    return this.#index !== UNWATCHED || !this.connected ? this.#descriptor.expose() : -1;
  }

  peekFd(): number {
    return this.#descriptor.peek();
  }

  open(events: TransportEvents): void {
    this.#events = events;
    // A stream that continues on it finds it watched already.
    if (this.connected && this.#index === UNWATCHED) this.#watch();
  }

  createWriter(owner: WriterOwner, limits: WriterLimits): Writer {
    return new FdWriter(owner, this, limits);
  }

  connect(address: Address): void {
    this.socket?.connect(address);
    this.#watch();
  }

  connectResult(address: Address): Error | null {
    const { socket } = this;
    if (socket === null) return null;
    try {
      const error = socket.takeError();
      if (error !== null) return error;
      // Without an error it may also be a spurious event, or an attempt that the kernel has dropped.
      this.connected = socket.remoteAddress !== null;
    } catch (error) {
      return error as Error;
    }
    if (this.connected) return null;
    return systemError(-ECONNREFUSED, 'connect', addressDetails(address));
  }

  demand(demand: Demand): void {
    const receiving = demand === RECEIVE;
    if (receiving === this.#receiving) return;
    this.#receiving = receiving;
    if (this.#index !== UNWATCHED) this.#io.sources.setReceiving(this.#index, receiving);
  }

  read(buffer: Buffer, offset: number, length: number): number {
    const { fd } = this;
    const count = this.isFile
      ? native.fdRead(fd, buffer, offset, length)
      : native.socketRecv(fd, buffer, offset, length);
    if (count > 0) this.#io.counters.received += count;
    // After a short read the peer's EOF may be there already.
    if (count < 0 || (count > 0 && count < length && this.#shortIsAll && !this.peerClosed)) {
      this.readable = false;
    }
    return this.#resultOf(count);
  }

  /**
   * Whether {@link fill} can be tried: a socket, without an urgent mark, which only a receive passes.
   */
  get canSplice(): boolean {
    const { socket } = this;
    return capabilities.splice && socket !== null && (this.#shortIsAll || socket.kind !== KIND_TCP);
  }

  /**
   * {@link read} to a pipe, which is empty, and through it to the socket `to`, if that is not -1. The
   * error of a socket that cannot be spliced: `isUnspliceable`.
   */
  fill(pipe: Pipe, most: number, to: number): number {
    const count = to < 0 ? pipe.fill(this.fd, most) : pipe.pass(this.fd, to, most);
    if (count > 0) this.#io.counters.received += count;
    const error = count < 0 ? count : pipe.failure;
    if (error === 0 || isUnspliceable(error)) return count;
    if (count < 0 || error === -EAGAIN) this.readable = false;
    // It follows the bytes, and the kernel does not report it again: a read does, in place of EOF.
    else this.failure = error;
    return count;
  }

  queueTickEnd(): void {
    this.#io.queueTickEnd();
  }

  continueLater(): void {
    // What is not watched any more has nothing to continue.
    if (this.#continuing || this.#index === UNWATCHED) return;
    this.#continuing = true;
    this.#io.continueLater(this);
  }

  atTickEnd(): void {
    if (this.#atTickEnd) return;
    this.#atTickEnd = true;
    this.#io.atTickEnd(this);
  }

  /** The kernel reports room for more without being asked. */
  onFull(): void {}

  shutdownWrite(): void {
    // A pipe has one direction only: the stream closes it.
    if (this.socket === null) return;
    try {
      this.socket.shutdown('write');
    } catch (error) {
      // The peer is gone, which the next read reports.
      if ((error as { code?: unknown }).code !== 'ENOTCONN') throw error;
    }
  }

  takeError(): Error | null {
    try {
      return this.socket?.takeError() ?? null;
    } catch (error) {
      // The descriptor was closed by its number.
      return error as Error;
    }
  }

  /**
   * Moves the descriptor to the table of detached ones, for {@link attached}. {@link endDetached}
   * follows.
   *
   * @throws `ERR_IOLOOP_STREAM_BUSY` if it has a handler in another loop; as {@link store}. It is
   * unchanged then.
   */
  detach(state: object, unread: Uint8Array): DetachedToken<'stream'> {
    const descriptor = this.#descriptor;
    if (descriptor.isWatched(this)) {
      throw streamBusy('detach()', 'its socket has a handler, call removeHandler() first');
    }
    const transport: TransportState = { socket: this.socket?.toState() ?? null };
    const token = store(descriptor, 'stream', { ...state, transport }, unread);
    this.#unwatch();
    return token;
  }

  /** @throws What the `close()` of an object throws. */
  endDetached(): void {
    if (this.#ownsNumber()) this.#descriptor.endDetached();
    // The table has a duplicate.
    else this.close();
  }

  close(): void {
    this.#unwatch();
    if (this.#ownsNumber()) this.#descriptor.close();
    // An object closes its own descriptor, unless that was closed elsewhere.
    else if (this.#descriptor.release() >= 0) closeFd(this.#file);
  }

  /** Stores the report of a turn and its received bytes. See {@link Source.collect}. */
  collect(bits: number, result: number, block: Block, start: number): void {
    if ((bits & CLOSED) !== 0) this.peerClosed = true;
    if ((bits & PRI) !== 0) this.#shortIsAll = false;
    if (result === NOT_RECEIVED) {
      // Edge-triggered: the report stands until a read would block.
      if ((bits & (READ | CLOSED)) !== 0) this.readable = true;
    } else {
      const isShort = result > 0 && result < this.#io.capacities.receiveBytes;
      const isAll = this.#shortIsAll && !this.peerClosed && isShort;
      // At EOF a read gives it again, to the stream that continues on this transport.
      this.readable = result >= 0 && !isAll;
      if (result > 0) this.#events.store(block, start, start + result);
      else if (result < 0 && result !== -EAGAIN) this.failure = result;
    }
  }

  /** Notifies the stream of a collected report. */
  dispatch(bits: number, result: number): void {
    if (this.#index === UNWATCHED) return;
    const events = this.#events;
    // First: it may be the end of a connection attempt, before which nothing can be read.
    if ((bits & (WRITE | ERROR | HANG_UP)) !== 0) events.onWritable();
    if (this.#index === UNWATCHED) return;
    if (result > 0) events.onStored();
    else if (result !== NOT_RECEIVED) events.onReadResult(this.#resultOf(result));
    else if ((bits & (READ | CLOSED)) !== 0) events.onReadable();
    if ((bits & CLOSED) !== 0 && this.#index !== UNWATCHED) events.onPeerClosed();
  }

  onContinue(): void {
    this.#continuing = false;
    if (this.#index !== UNWATCHED) this.#events.onContinue();
  }

  onTickEnd(): void {
    this.#atTickEnd = false;
    this.#events.onTickEnd();
  }

  onStale(): void {
    // The core has removed the registration: the index is not this transport's any more.
    this.#end();
    this.#descriptor.lose();
    this.#events.onFailure(systemError(-EBADF, 'read'));
  }

  onLoopClosed(): void {
    this.#events.onFailure(closedLoop());
  }

  /** The owner of the descriptor, such as the socket, has closed or lost it. */
  onDescriptorGone(): void {
    this.#unwatch();
    this.#events.onFailure(systemError(-EBADF, 'read'));
  }

  onDescriptorExposed(): void {
    if (this.#index !== UNWATCHED) this.#io.sources.verify(this.#index);
  }

  /** The source is drained of these bits. For selectors that have to be asked for a change. */
  protected rearm(bits: number): void {
    if (this.#index !== UNWATCHED) this.#io.sources.rearm(this.#index, bits);
  }

  #watch(): void {
    const { sources } = this.#io;
    // Both directions for its lifetime: edge-triggered, no later write needs a system call for this.
    const verify = this.#descriptor.isExposed ? VERIFY : 0;
    const index = sources.add(this, this.fd, READ | WRITE | EDGE | verify);
    if (index < 0) throw cannotWatch(index, this.fd);
    this.#index = index;
    this.#descriptor.watch(this);
    if (this.#receiving) sources.setReceiving(index, true);
  }

  #ownsNumber(): boolean {
    return typeof this.#file === 'number' || this.socket !== null;
  }

  #unwatch(): void {
    if (this.#index === UNWATCHED) return;
    this.#io.sources.remove(this.#index);
    this.#end();
  }

  #end(): void {
    this.#index = UNWATCHED;
    this.readable = false;
    this.#descriptor.unwatch(this);
  }

  /** A terminal whose other side was closed fails with `EIO`: EOF. */
  #resultOf(result: number): number {
    if (result > 0) return result;
    // The kernel has reported a failure once, and gives EOF since.
    if (result === 0) return this.failure;
    return result === -EIO && this.isFile ? 0 : result;
  }
}

const { EAGAIN, EBADF, ECONNREFUSED, EIO } = constants.errno;
const UNWATCHED = -1;
const CLOSED = READ_CLOSED | ERROR | HANG_UP;

function descriptorFor(file: FdLike): Descriptor {
  return descriptorOf(file) ?? new Descriptor(fdOf(file), true);
}

/** Makes a descriptor non-blocking. The number of a socket becomes a {@link Socket}. */
function nonBlocking(file: FdLike, fd: number): FdLike {
  if (typeof file === 'number' && native.socketLocalAddress(fd, scratch) >= 0) {
    return Socket.fromFd(file);
  }
  const result = native.fdAdopt(fd);
  if (result < 0) throw systemError(result, 'ioctl', { fd });
  return file;
}

/** An address that is not looked at. */
const scratch = addressBuffer();
