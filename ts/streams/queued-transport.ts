/**
 * A transport to which chunks of bytes are given from outside of the loop: by `node:net`, by the other
 * end of a pair in memory. They wait here until the stream reads them; it is notified in a turn.
 *
 * | State | Arrivals | Next |
 * | --- | --- | --- |
 * | unconnected | none | open: {@link QueuedTransport.onConnected}; failed; closed |
 * | open | are queued | ended: {@link QueuedTransport.onEnd}; failed: {@link QueuedTransport.onError}; closed |
 * | ended | none | failed, closed |
 * | failed | none: the stream gets what is queued, then the error | closed |
 * | closed | are dropped | |
 */
import { constants } from 'node:os';
import { Block } from '../boundary/receive-blocks.js';
import { ERROR, READ, READ_CLOSED, WRITE } from '../boundary/readiness.js';
import type { DeferredWork, LoopIO, LoopMember } from '../loop/io.js';
import type { Address } from '../sockets/address.js';
import type { Socket } from '../sockets/socket.js';
import { closedLoop } from '../support/errors.js';
import { Fifo } from '../support/fifo.js';
import type { Transport, TransportEvents, Writer, WriterLimits, WriterOwner } from './transport.js';

const enum State {
  Unconnected,
  Open,
  Ended,
  Failed,
  Closed,
}

/** The reading side of such a transport, and its notifications. */
export abstract class QueuedTransport implements Transport, DeferredWork, LoopMember {
  abstract readonly socket: Socket | null;
  readonly failure = 0;
  readonly sent = 0;
  readonly leastRoom = 1;
  readonly hasHalfClose = true;
  readable = false;

  protected readonly io: LoopIO;
  #state: State;
  /** The stream. Definite: {@link open} sets it before there are events. */
  #events!: TransportEvents;
  #isOpened = false;
  /** The chunks that are unread; {@link #taken} bytes of the first are read. */
  readonly #chunks = new Fifo<Buffer>();
  #taken = 0;
  /** Bytes that the chunks hold, and what each costs. */
  #held = 0;
  #isFull = false;
  #error: Error | null = null;
  /** Readiness bits that the next turn reports. */
  #report = 0;
  /** The stream has asked for a turn. */
  #isContinuing = false;
  /** Queued for the next turn, for the end of the tick: the loop's queues hold it once. */
  #isQueued = false;
  #atTickEnd = false;

  protected constructor(io: LoopIO, connected: boolean) {
    this.io = io;
    this.#state = connected ? State.Open : State.Unconnected;
  }

  get tlsSocket(): null {
    return null;
  }

  get connected(): boolean {
    return this.#state !== State.Unconnected;
  }

  get peerClosed(): boolean {
    return this.#state === State.Ended || this.#state === State.Failed;
  }

  /** Whether the source has to pause. {@link onRoom} is called when it is over. */
  get isFull(): boolean {
    return this.#isFull;
  }

  protected get isClosed(): boolean {
    return this.#state === State.Closed;
  }

  /** Whether bytes were received that no read has taken. */
  protected get hasUnread(): boolean {
    return this.#chunks.length > 0;
  }

  abstract connect(address: Address): void;

  abstract createWriter(owner: WriterOwner, limits: WriterLimits): Writer;

  // It has no batch.
  get staged(): number {
    return 0;
  }

  stage(): boolean {
    return false;
  }

  abstract fileno(): number;

  peekFd(): null {
    return null;
  }

  open(events: TransportEvents): void {
    this.#events = events;
    // A stream that continues on it finds it open.
    if (this.#isOpened) return;
    this.#isOpened = true;
    this.io.add(this);
    if (this.connected) this.onOpen();
  }

  connectResult(_address: Address): Error | null {
    return this.#error;
  }

  // The source gives what it has by itself.
  demand(): void {}

  read(buffer: Buffer, offset: number, length: number): number {
    let count = 0;
    for (;;) {
      const chunk = this.#chunks.at(0);
      if (chunk === undefined || count === length) break;
      const size = Math.min(chunk.length - this.#taken, length - count);
      chunk.copy(buffer, offset + count, this.#taken, this.#taken + size);
      count += size;
      this.#taken += size;
      if (this.#taken === chunk.length) this.#dropFirst(chunk);
    }
    const isEmpty = this.#chunks.length === 0;
    // Also at EOF, which each read finds again. A failure is not read: the next turn reports it.
    this.readable = !isEmpty || this.#state === State.Ended;
    if (this.#isFull && this.#held <= READ_AHEAD / 2) {
      this.#isFull = false;
      this.onRoom();
    }
    this.io.counters.received += count;
    if (count > 0 || length === 0) return count;
    return this.#state === State.Ended ? 0 : -EAGAIN;
  }

  continueLater(): void {
    if (this.isClosed) return;
    this.#isContinuing = true;
    this.#notify(0);
  }

  atTickEnd(): void {
    if (this.#atTickEnd) return;
    this.#atTickEnd = true;
    this.io.atTickEnd(this);
  }

  abstract shutdownWrite(): void;

  takeError(): Error | null {
    return this.#state === State.Failed ? this.#error : null;
  }

  close(error: Error | null): void {
    if (this.isClosed) return;
    this.#state = State.Closed;
    this.readable = false;
    if (this.#isOpened) this.io.remove(this);
    try {
      this.onClose(error);
    } finally {
      this.#chunks.clear();
      this.#held = this.#taken = 0;
    }
  }

  onContinue(): void {
    const bits = this.#report;
    const isContinuing = this.#isContinuing;
    this.#report = 0;
    this.#isQueued = this.#isContinuing = false;
    if (bits !== 0) this.io.counters.reports += 1;
    // Each step may close it, or move it to another stream.
    if (!this.isClosed && (bits & WRITE) !== 0) this.#events.onWritable();
    if (!this.isClosed && (bits & ERROR) !== 0) this.#fail();
    if (!this.isClosed && (bits & (READ | READ_CLOSED)) !== 0) this.#events.onReadable();
    if (!this.isClosed && (bits & READ_CLOSED) !== 0) this.#events.onPeerClosed();
    if (!this.isClosed && isContinuing) this.#events.onContinue();
  }

  onTickEnd(): void {
    this.#atTickEnd = false;
    this.#events.onTickEnd();
  }

  onLoopClosed(): void {
    this.#events.onFailure(closedLoop());
  }

  /** The connection exists from now on: {@link TransportEvents.onWritable} follows. */
  protected onConnected(): void {
    if (this.#state !== State.Unconnected) return;
    this.#state = State.Open;
    this.onOpen();
    this.#notify(WRITE);
  }

  /** The source has a chunk, which belongs to the transport from now on. */
  protected onChunk(chunk: Buffer): void {
    if (this.#state !== State.Open || chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#held += chunk.length + CHUNK_COST;
    if (this.#held >= READ_AHEAD) this.#isFull = true;
    this.readable = true;
    this.#notify(READ);
  }

  /** The source has ended. */
  protected onEnd(): void {
    if (this.#state !== State.Open) return;
    this.#state = State.Ended;
    this.readable = true;
    this.#notify(READ_CLOSED);
  }

  /** The connection attempt, or the connection, has failed. */
  protected onError(error: Error): void {
    if (this.#state >= State.Failed) return;
    this.#error = error;
    // An attempt that has failed is not a connection: `connectResult` has the error.
    if (this.#state === State.Unconnected) {
      this.#notify(WRITE);
      return;
    }
    this.#state = State.Failed;
    this.#notify(ERROR);
  }

  /** The peer takes bytes again: {@link TransportEvents.onWritable} follows. */
  protected onWritable(): void {
    if (!this.isClosed) this.#notify(WRITE);
  }

  /** The connection exists, and the stream listens: chunks may come. */
  protected abstract onOpen(): void;

  /** {@link isFull} is false again. */
  protected abstract onRoom(): void;

  /** Ends the connection at once. */
  protected abstract onClose(error: Error | null): void;

  #notify(bits: number): void {
    this.#report |= bits;
    if (this.#isQueued) return;
    this.#isQueued = true;
    this.io.continueLater(this);
  }

  /** The stream keeps everything that was received before the error. */
  #fail(): void {
    const events = this.#events;
    let start = this.#taken;
    for (let chunk = this.#chunks.at(0); chunk !== undefined; chunk = this.#chunks.at(0)) {
      this.#chunks.shift();
      events.store(new Block(chunk), start, chunk.length);
      this.io.counters.received += chunk.length - start;
      start = 0;
    }
    this.#taken = this.#held = 0;
    this.readable = false;
    events.onStored();
    // Definite in state failed. The stream may be another one by now.
    if (!this.isClosed) this.#events.onFailure(this.#error as Error);
  }

  #dropFirst(chunk: Buffer): void {
    this.#chunks.shift();
    this.#held -= chunk.length + CHUNK_COST;
    this.#taken = 0;
  }
}

const { EAGAIN } = constants.errno;

/** Bytes, with the cost of their chunks, that wait to be read: the source pauses from here on. */
const READ_AHEAD = 65_536;

/** What a chunk costs besides its bytes: a peer that sends single bytes costs memory, too. */
const CHUNK_COST = 256;
