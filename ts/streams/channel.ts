/** The descriptor of a stream, in the loop: edge-triggered, so it keeps its readiness. */
import { constants } from 'node:os';
import type { Descriptor, DescriptorWatcher } from '../sockets/descriptor.js';
import { KIND_RECORDS, LARGEST_RECORD, SHORT_IS_ALL } from '../sockets/descriptor-kinds.js';
import { cannotWatch } from '../sockets/fd.js';
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
import type { LoopIO } from '../loop/io.js';
import { STREAMS, type Source as LoopSource, type SourcePhase } from '../loop/sources.js';
import { RECEIVE, type Demand, type Source, type SourceEvents } from './transport.js';

const { NOT_RECEIVED, MODE_STREAM, MODE_FILE } = native;

/** The events of a channel, for the writing side. */
export interface WritableEvents {
  /** There may be room again, or a connection attempt has ended. */
  onWritable(): void;
  /** The turn that {@link Channel.continueLater} asked for. */
  onContinue(): void;
  onTickEnd(): void;
}

/** A descriptor that a stream reads and writes. It belongs to the stream, which closes it. */
export class Channel implements Source, LoopSource, DescriptorWatcher {
  readonly descriptor: Descriptor;
  /** As the core knows it: a socket, or a file such as a pipe. */
  readonly mode: number;
  readonly leastRoom: number;
  readable = false;
  peerClosed = false;
  failure = 0;
  /** Set by the stream, before {@link open}. */
  reader!: SourceEvents;
  writer!: WritableEvents;

  readonly #io: LoopIO;
  #index = NOT_OPEN;
  #receiving = false;
  #continuing = false;
  #atTickEnd = false;
  /** A read that gave less than it was asked for has emptied it. Until an urgent mark is seen. */
  #shortIsAll: boolean;

  /** `kind` is one of the binding's `KIND_` constants. */
  constructor(io: LoopIO, descriptor: Descriptor, isFile: boolean, kind: number) {
    this.#io = io;
    this.descriptor = descriptor;
    this.leastRoom = kind === KIND_RECORDS ? LARGEST_RECORD : 1;
    this.#shortIsAll = kind === SHORT_IS_ALL;
    this.mode = isFile ? MODE_STREAM | MODE_FILE : MODE_STREAM;
  }

  /** For one system call, now; -1, which is `EBADF`, when it is closed or another file's. */
  get fd(): number {
    return this.descriptor.use();
  }

  get phase(): SourcePhase {
    return STREAMS;
  }

  get isOpen(): boolean {
    return this.#index !== NOT_OPEN;
  }

  get isFile(): boolean {
    return (this.mode & MODE_FILE) !== 0;
  }

  /**
   * Lets the loop watch it.
   *
   * @throws `EPERM` for a regular file, `EBADF`; `EEXIST` when the loop has a handler for it.
   */
  open(): void {
    const verify = this.descriptor.isExposed ? VERIFY : 0;
    const index = this.#io.sources.add(this, this.fd, READ | WRITE | EDGE | verify);
    if (index < 0) throw cannotWatch(index, this.fd);
    this.#index = index;
    this.descriptor.watch(this);
    if (this.#receiving) this.#io.sources.setReceiving(index, true);
  }

  /** Ends the watching. The descriptor stays open. */
  close(): void {
    if (this.#index === NOT_OPEN) return;
    this.#io.sources.remove(this.#index);
    this.#end();
  }

  /** The registration is gone: the number was closed, and may be another file's. */
  onLost(): void {
    this.#end();
    this.descriptor.lose();
    this.reader.onLost();
  }

  onLoopClosed(): void {
    this.reader.onLoopClosed();
  }

  /** The descriptor is closed or lost below the stream, which ends with it. */
  onDescriptorGone(): void {
    this.close();
    this.reader.onLost();
  }

  onDescriptorExposed(): void {
    if (this.#index !== NOT_OPEN) this.#io.sources.verify(this.#index);
  }

  demand(demand: Demand): void {
    const receiving = demand === RECEIVE;
    if (receiving === this.#receiving) return;
    this.#receiving = receiving;
    if (this.#index !== NOT_OPEN) this.#io.sources.setReceiving(this.#index, receiving);
  }

  read(buffer: Buffer, offset: number, length: number): number {
    const { fd } = this;
    const count = this.isFile
      ? native.fdRead(fd, buffer, offset, length)
      : native.socketRecv(fd, buffer, offset, length);
    // After a short read the peer's end may wait.
    if (count < 0 || (count > 0 && count < length && this.#shortIsAll && !this.peerClosed)) {
      this.readable = false;
    }
    return this.#resultOf(count);
  }

  continueLater(): void {
    if (this.#continuing || this.#index === NOT_OPEN) return;
    this.#continuing = true;
    this.#io.continueLater(this);
  }

  atTickEnd(): void {
    if (this.#atTickEnd) return;
    this.#atTickEnd = true;
    this.#io.atTickEnd(this);
  }

  /**
   * What a turn brought: readiness, and a result of receiving, whose bytes lie from `start` on in
   * `block`. Only the state changes here: user code runs before {@link dispatch}, and may read or
   * close.
   */
  collect(bits: number, result: number, block: Block, start: number): void {
    if ((bits & CLOSED) !== 0) this.peerClosed = true;
    if ((bits & PRI) !== 0) this.#shortIsAll = false;
    if (result === NOT_RECEIVED) {
      if ((bits & (READ | CLOSED)) !== 0) this.readable = true;
    } else {
      const isAll = this.#shortIsAll && !this.peerClosed && result < this.#io.receiveBytes;
      this.readable = result > 0 && !isAll;
      if (result > 0) this.reader.store(block, start, start + result);
      else if (result < 0 && result !== -EAGAIN) this.failure = result;
    }
  }

  /** Notifies both sides of what {@link collect} found. */
  dispatch(bits: number, result: number): void {
    if (this.#index === NOT_OPEN) return;
    if ((bits & (WRITE | ERROR | HANG_UP)) !== 0) this.writer.onWritable();
    if (this.#index === NOT_OPEN) return;
    if (result > 0) this.reader.onStored();
    else if (result !== NOT_RECEIVED) this.reader.onReadResult(this.#resultOf(result));
    else if ((bits & (READ | CLOSED)) !== 0) this.reader.onReadable();
    if ((bits & CLOSED) !== 0 && this.#index !== NOT_OPEN) this.reader.onPeerClosed();
  }

  onContinue(): void {
    this.#continuing = false;
    if (this.#index === NOT_OPEN) return;
    this.writer.onContinue();
    if (this.#index !== NOT_OPEN) this.reader.onContinue();
  }

  onTickEnd(): void {
    this.#atTickEnd = false;
    this.writer.onTickEnd();
    this.reader.onTickEnd();
  }

  #end(): void {
    this.#index = NOT_OPEN;
    this.readable = false;
    this.descriptor.unwatch(this);
  }

  /** A terminal whose other side has closed fails with `EIO`: EOF. */
  #resultOf(result: number): number {
    return result === -EIO && this.isFile ? 0 : result;
  }
}

const { EAGAIN, EIO } = constants.errno;
const NOT_OPEN = -1;
const CLOSED = READ_CLOSED | ERROR | HANG_UP;
