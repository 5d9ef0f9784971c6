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
import type { Chain, FailedSender, SendBatch, Sender } from '../boundary/send-batch.js';
import type { LoopIO } from '../loop/io.js';
import { STREAMS, type Source, type SourcePhase } from '../loop/sources.js';
import { addressDetails, type Address, type Family } from '../sockets/address.js';
import { current, Descriptor, type DescriptorWatcher } from '../sockets/descriptor.js';
import { assertStreamKind, KIND_TCP, SHORT_IS_ALL } from '../sockets/descriptor-kinds.js';
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
import type { Data } from './data.js';
import { streamKind, typeOf, typeOfFile, type FileType } from './file-type.js';
import { descriptorFor, nonBlocking, shared, type OwnedFile } from './owned-file.js';
import { FdWriter } from './writer.js';

/** The file of a transport, as another thread gets it. */
export interface TransportState {
  /** `null` if it is not a socket. */
  readonly socket: SocketState | null;
}

const { NOT_RECEIVED } = native;

/** Bits of the state of a transport: ten thousand connections have one word each. */
const enum Flag {
  Connected = 1,
  Readable = 2,
  PeerClosed = 4,
  /** Turns receive for it: its reader waits for few bytes. Kept here until it is in the table. */
  Receiving = 8,
  /** Queued for the next turn, for the end of the tick: the loop's queues hold it once. */
  Continuing = 16,
  AtTickEnd = 32,
  /** A short read proves it drained: until urgent data is reported, at which a read stops. */
  ShortIsAll = 64,
  /** It was lent to a passage, which may have ended. */
  Lent = 128,
}

/**
 * A socket, a pipe, a terminal, or another descriptor that can be watched.
 *
 * | File    | It is             | Next |
 * | ------- | ----------------- | ---- |
 * | private | two numbers       | shared: the program asks for the socket or the number |
 * | shared  | a `Descriptor` and, for a socket, a `Socket` | |
 *
 * A connection that was accepted is private: it has only the objects that were asked for.
 */
export class FdTransport implements Transport, FdSink, Source, Sender, DescriptorWatcher {
  failure = 0;
  sent = 0;

  readonly #io: LoopIO;
  readonly #type: FileType;
  /** Private: the number, and its serial. */
  #number: number;
  readonly #serial: number;
  /** Shared: the file as it was passed. */
  #file: FdLike | null;
  #descriptor: Descriptor | null;
  /** The stream. Definite: {@link open} sets it before there are events. */
  #events!: TransportEvents;
  /** In the table of the loop; {@link UNWATCHED} when it is not. */
  #index = UNWATCHED;
  /** What {@link stage} has written: an echo needs no writer. */
  #chain: Chain | null = null;
  #flags: number;

  /** Owns `file`, which is non-blocking, or else the file of a number and its serial. */
  protected constructor(io: LoopIO, type: FileType, file: FdLike | null, owned: OwnedFile) {
    this.#io = io;
    this.#type = type;
    this.#file = file;
    this.#descriptor = owned.descriptor;
    this.#number = owned.number;
    this.#serial = owned.serial;
    const shortIsAll = type.kind === SHORT_IS_ALL ? Flag.ShortIsAll : 0;
    this.#flags = owned.connected ? shortIsAll | Flag.Connected : shortIsAll;
  }

  /**
   * The transport on a socket.
   *
   * @throws `ERR_INVALID_ARG_TYPE` unless it is a {@link Socket}, `EBADF` when it is closed;
   * `ERR_IOLOOP_SOCKET_BUSY` while bytes of `sendLater()` wait for room; `ERR_IOLOOP_UNSUPPORTED` for a
   * socket with messages.
   */
  static on(io: LoopIO, socket: unknown): FdTransport {
    if (!(socket instanceof Socket)) {
      throw invalidArgType('socket', socket, 'a Socket; IOStream.fromFd() takes other descriptors');
    }
    const descriptor = descriptorFor(socket);
    if (socket.closed) throw descriptor.goneError('getsockname');
    socket.assertSent('new IOStream()');
    const type = typeOf(streamKind(socket.kind), socket.family);
    const connected = native.socketConnected(descriptor.use()) > 0;
    return new this(io, type, socket, shared(descriptor, connected));
  }

  /** The transport on an accepted socket that no other code has: it is closed afterwards. */
  static accepted(io: LoopIO, socket: Socket): FdTransport {
    const descriptor = descriptorFor(socket);
    const number = descriptor.peek();
    const serial = descriptor.giveAway();
    if (serial < 0) return this.on(io, socket);
    const owned = { descriptor: null, number, serial, connected: true };
    return new this(io, typeOf(socket.kind, socket.family), null, owned);
  }

  /** The transport on a descriptor that was attached, with the state that {@link detach} has stored. */
  static attached(io: LoopIO, fd: number, { socket }: TransportState): FdTransport {
    const file = socket === null ? fd : Socket.fromState(fd, socket);
    const descriptor = descriptorOf(file) ?? new Descriptor(fd, false);
    // The kernel does not say so of a socket whose peer has closed.
    return new this(io, typeOfFile(file), file, shared(descriptor, true));
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
      const usable = nonBlocking(file, fd);
      if (usable instanceof Socket) return open(this.on(io, usable));
      const owned = shared(descriptorFor(usable), true);
      return open(new this(io, typeOf(kind, null), usable, owned));
    } catch (error) {
      readAhead?.resume();
      throw error;
    }
  }

  get socket(): Socket | null {
    if (this.#file === null) this.#share();
    return this.#file instanceof Socket ? this.#file : null;
  }

  get tlsSocket(): null {
    return null;
  }

  get mode(): number {
    return this.#type.mode;
  }

  get leastRoom(): number {
    return this.#type.leastRoom;
  }

  get hasHalfClose(): boolean {
    return this.#type.hasHalfClose;
  }

  get connected(): boolean {
    return (this.#flags & Flag.Connected) !== 0;
  }

  get readable(): boolean {
    return (this.#flags & Flag.Readable) !== 0;
  }

  get peerClosed(): boolean {
    return (this.#flags & Flag.PeerClosed) !== 0;
  }

  get fd(): number {
    const descriptor = this.#descriptor;
    return descriptor === null ? current(this.#number, this.#serial) : descriptor.use();
  }

  get isFile(): boolean {
    return this.#type.family === null;
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
    return this.#index !== UNWATCHED || !this.connected ? this.#share().expose() : -1;
  }

  peekFd(): number {
    return this.#descriptor?.peek() ?? this.fd;
  }

  open(events: TransportEvents): void {
    this.#events = events;
    // A stream that continues on it finds it watched already.
    if (this.connected && this.#index === UNWATCHED) this.#watch();
  }

  createWriter(owner: WriterOwner, limits: WriterLimits): Writer {
    const writer = FdWriter.take(owner, this, limits);
    const chain = this.#chain;
    if (chain !== null) {
      // In this order: at the end of the call stack it throws.
      writer.adopt(chain);
      this.#chain = null;
    }
    return writer;
  }

  get staged(): number {
    return this.#chain === null ? 0 : this.#chain.bytes;
  }

  stage(data: Data | readonly Data[], most: number): boolean {
    const { batch } = this.#io;
    const chain = this.#chain;
    const isText = typeof data === 'string';
    if (!isText && !(data instanceof Uint8Array)) return false;
    // A UTF-16 unit takes at most three bytes. An empty array may be a detached one, which is refused.
    const room = isText ? 3 * data.length : data.length;
    if (room === 0 || this.staged + room > most || !batch.hasRoom(room)) return false;
    if (this.#index === UNWATCHED || (this.#flags & Flag.Connected) === 0) return false;
    // Before the first piece: scheduling throws when the call stack is full.
    if (chain === null) this.#io.queueFlush();
    this.#chain = isText ? batch.writeString(this, chain, data) : batch.write(this, chain, data);
    return true;
  }

  // `Sender`, of what was staged: the batch calls these while it is flushing.

  onSent(rest: Uint8Array | null, result: number): void {
    if (rest !== null) {
      this.#writer.onSent(rest, result);
      return;
    }
    this.sent += this.staged;
    this.#chain = null;
  }

  onSendFailed(): FailedSender {
    return this.#writer.onSendFailed();
  }

  /** The writer, made now, which goes on with a chain that is not sent as a whole. */
  get #writer(): FdWriter {
    return this.#events.writer as FdWriter;
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
      if (socket.remoteAddress !== null) this.#flags |= Flag.Connected;
    } catch (error) {
      return error as Error;
    }
    if (this.connected) return null;
    return systemError(-ECONNREFUSED, 'connect', addressDetails(address));
  }

  demand(demand: Demand): void {
    const receiving = demand === RECEIVE;
    if (receiving === ((this.#flags & Flag.Receiving) !== 0)) return;
    this.#flags ^= Flag.Receiving;
    if (this.#index !== UNWATCHED) this.#io.sources.setReceiving(this.#index, receiving);
  }

  read(buffer: Buffer, offset: number, length: number): number {
    const { fd } = this;
    const count = this.isFile
      ? native.fdRead(fd, buffer, offset, length)
      : native.socketRecv(fd, buffer, offset, length);
    if (count > 0) this.#io.counters.received += count;
    // After a short read the peer's EOF may be there already.
    if (count < 0 || (count > 0 && count < length && this.#isShortAll())) {
      this.#flags &= ~Flag.Readable;
    }
    return this.#resultOf(count);
  }

  /**
   * Whether {@link fill} can be tried: a socket, without an urgent mark, which only a receive passes.
   */
  get canSplice(): boolean {
    const { kind, family } = this.#type;
    const isUrgent = kind === KIND_TCP && (this.#flags & Flag.ShortIsAll) === 0;
    return capabilities.splice && family !== null && !isUrgent;
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
    if (count < 0 || error === -EAGAIN) this.#flags &= ~Flag.Readable;
    // It follows the bytes, and the kernel does not report it again: a read does, in place of EOF.
    else this.failure = error;
    return count;
  }

  /**
   * The place in the loop's table, for a {@link Passage}; -1 if it cannot be lent: the selector has no edges,
   * or other code can close the number, which each use then verifies.
   */
  get lendable(): number {
    return capabilities.edges && this.#descriptor?.isExposed !== true ? this.#index : UNWATCHED;
  }

  /** A passage has it from now on. See {@link regain}. */
  lend(): void {
    this.#flags |= Flag.Lent;
  }

  /** What is there to be read is a passage's, until {@link takeBack}. */
  leaveReadable(): void {
    this.#flags &= ~Flag.Readable;
  }

  /** A passage has ended, with the error of this source, a negative errno, or 0. It may be readable. */
  takeBack(failure: number): void {
    if (failure !== 0 && failure !== -EAGAIN && !isUnspliceable(failure)) this.failure = failure;
    if (this.#index === UNWATCHED) return;
    this.#flags |= Flag.Readable;
    this.continueLater();
  }

  regain(): void {
    if ((this.#flags & Flag.Lent) === 0) return;
    this.#flags &= ~Flag.Lent;
    this.#io.endLeasesOf(this);
  }

  countReceived(bytes: number): void {
    this.#io.counters.received += bytes;
  }

  queueFlush(): void {
    this.#io.queueFlush();
  }

  continueLater(): void {
    // What is not watched any more has nothing to continue.
    if ((this.#flags & Flag.Continuing) !== 0 || this.#index === UNWATCHED) return;
    this.#flags |= Flag.Continuing;
    this.#io.continueLater(this);
  }

  atTickEnd(): void {
    if ((this.#flags & Flag.AtTickEnd) !== 0) return;
    this.#flags |= Flag.AtTickEnd;
    this.#io.atTickEnd(this);
  }

  /** The kernel reports room for more without being asked: to a passage from here, unless it heeds. */
  onFull(): void {
    if ((this.#flags & Flag.Lent) !== 0) this.#io.sources.heed(this.#index);
  }

  shutdownWrite(): void {
    // A pipe has one direction only: the stream closes it.
    const { socket } = this;
    if (socket === null) return;
    try {
      socket.shutdown('write');
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
    const descriptor = this.#share();
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
    if (this.#ownsNumber()) this.#share().endDetached();
    // The table has a duplicate.
    else this.close();
  }

  close(): void {
    this.#cancelStaged();
    this.#unwatch();
    const descriptor = this.#descriptor;
    if (descriptor === null) this.#closeNumber();
    else if (this.#ownsNumber()) descriptor.close();
    // An object closes its own descriptor, unless that was closed elsewhere.
    else if (descriptor.release() >= 0) closeFd(this.#file as FdLike);
  }

  /** Stores the report of a turn and its received bytes. See {@link Source.collect}. */
  collect(bits: number, result: number, block: Block, start: number): void {
    if ((bits & CLOSED) !== 0) this.#flags |= Flag.PeerClosed;
    if ((bits & PRI) !== 0) this.#flags &= ~Flag.ShortIsAll;
    if (result === NOT_RECEIVED) {
      // Edge-triggered: the report stands until a read would block.
      if ((bits & (READ | CLOSED)) !== 0) this.#flags |= Flag.Readable;
      return;
    }
    const isShort = result > 0 && result < this.#io.capacities.receiveBytes;
    // At EOF a read gives it again, to the stream that continues on this transport.
    if (result >= 0 && !(isShort && this.#isShortAll())) this.#flags |= Flag.Readable;
    else this.#flags &= ~Flag.Readable;
    if (result > 0) this.#events.store(block, start, start + result);
    else if (result < 0 && result !== -EAGAIN) this.failure = result;
  }

  /** Notifies the stream of a collected report: each step the one that has the transport by then. */
  dispatch(bits: number, result: number): void {
    if (this.#index === UNWATCHED) return;
    // First: it may be the end of a connection attempt, before which nothing can be read.
    if ((bits & (WRITE | ERROR | HANG_UP)) !== 0) this.#events.onWritable();
    if (this.#index === UNWATCHED) return;
    if (result > 0) this.#events.onStored();
    else if (result !== NOT_RECEIVED) this.#events.onReadResult(this.#resultOf(result));
    else if ((bits & (READ | CLOSED)) !== 0) this.#events.onReadable();
    if ((bits & CLOSED) !== 0 && this.#index !== UNWATCHED) this.#events.onPeerClosed();
  }

  onContinue(): void {
    this.#flags &= ~Flag.Continuing;
    if (this.#index !== UNWATCHED) this.#events.onContinue();
  }

  onTickEnd(): void {
    this.#flags &= ~Flag.AtTickEnd;
    this.#events.onTickEnd();
  }

  onStale(): void {
    // The core has removed the registration: the index is not this transport's any more.
    this.#end();
    if (this.#descriptor === null) this.#number = Descriptor.NONE;
    else this.#descriptor.lose();
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
    this.regain();
    if (this.#index !== UNWATCHED) this.#io.sources.verify(this.#index);
  }

  /** The source is drained of these bits. For selectors that have to be asked for a change. */
  protected rearm(bits: number): void {
    if (this.#index !== UNWATCHED) this.#io.sources.rearm(this.#index, bits);
  }

  #watch(): void {
    const { sources } = this.#io;
    // Both directions for its lifetime: edge-triggered, no later write needs a system call for this.
    const verify = this.#descriptor?.isExposed === true ? VERIFY : 0;
    const index = sources.add(this, this.fd, READ | WRITE | EDGE | verify);
    if (index < 0) throw cannotWatch(index, this.fd);
    this.#index = index;
    this.#descriptor?.watch(this);
    if ((this.#flags & Flag.Receiving) !== 0) sources.setReceiving(index, true);
  }

  #cancelStaged(): void {
    const chain = this.#chain;
    if (chain === null) return;
    this.#chain = null;
    this.batch.cancel(chain);
  }

  #ownsNumber(): boolean {
    return typeof this.#file !== 'object' || this.#type.family !== null;
  }

  /** A short read has taken everything: no EOF follows, and no urgent mark was seen. */
  #isShortAll(): boolean {
    return (this.#flags & (Flag.ShortIsAll | Flag.PeerClosed)) === Flag.ShortIsAll;
  }

  /** The descriptor, which the program may have from now on, as an object. */
  #share(): Descriptor {
    if (this.#descriptor !== null) return this.#descriptor;
    const { kind, family } = this.#type;
    const descriptor = new Descriptor(this.#number, false, this.#serial);
    if (this.#index !== UNWATCHED) descriptor.watch(this);
    this.#descriptor = descriptor;
    // Private files are sockets.
    this.#file = Socket.over(descriptor, family as Family, kind);
    return descriptor;
  }

  #closeNumber(): void {
    const { fd } = this;
    this.#number = Descriptor.NONE;
    if (fd >= 0) native.fdClose(fd);
  }

  #unwatch(): void {
    if (this.#index === UNWATCHED) return;
    this.#io.sources.remove(this.#index);
    this.#end();
  }

  #end(): void {
    this.#index = UNWATCHED;
    this.#flags &= ~Flag.Readable;
    this.regain();
    this.#descriptor?.unwatch(this);
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
