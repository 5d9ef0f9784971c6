/** The reading side of a stream: one read at a time, served from the buffer or by the source. */
import { constants } from 'node:os';
import type { Block } from '../boundary/receive-blocks.js';
import type { Wait } from '../loop/wait.js';
import type { Capacities } from '../support/capacities.js';
import { alreadyReading, bufferFull } from '../support/errors.js';
import { NO_BYTES, releaseReadBuffer, takeReadBuffer, type ReadBuffer } from './read-buffer.js';
import type { Read } from './reads.js';
import { IDLE, NOTIFY, RECEIVE, type Transport } from './transport.js';

/**
 * The read, and the demand on the source ({@link Demand}). With a result a read resolves; with an
 * error it rejects, and the bytes that it had are given back to the buffer.
 *
 * | State   | Demand          | `read`          | Bytes, EOF, errors | `cancel` | `close` |
 * | ------- | --------------- | --------------- | ------------------ | -------- | ------- |
 * | idle    | as before; idle after one more chunk | idle, if served at once; else waiting | one chunk is stored | nothing | nothing |
 * | waiting | receive for a few bytes, else notify | rejects | serving            | idle: rejects | idle: rejects |
 * | serving | as waiting      | rejects         | do not come        | nothing  | nothing: the serving sees it |
 *
 * Serving ends in idle if the read has its result, or an error; else in waiting. The peer's close
 * while idle is looked into in the next turn: see {@link Reader.onContinue}.
 */
const enum Reading {
  Idle,
  Waiting,
  Serving,
}

/**
 * The bytes that are still to come. Buffered bytes can be read in every state.
 *
 * | State         | More bytes | A read that the buffer cannot serve | Next |
 * | ------------- | ---------- | ----------------------------------- | ---- |
 * | open          | may come   | waits                               | eof, lost, closed |
 * | lost          | are dropped | closes the stream: received bytes could not be stored | closed |
 * | closed        | none       | rejects with the stream's error     | |
 * | eof           | none       | rejects: the peer has ended its side | eof reported, when the read that found EOF is settled |
 * | eof reported  | none       | the same; the stream was notified   | eof, closed |
 * | eof, closed   | none       | the same                            | |
 */
const enum Input {
  Open,
  Lost,
  Closed,
  // From here on the peer has ended its side.
  Eof,
  EofReported,
  EofClosed,
}

/** The stream of a reader. */
export interface ReaderOwner {
  /** EOF: the peer has ended its side, and no more bytes will come. Called once. */
  onEof(): void;
  /** The connection has an error or is closed, and no read will find out: after EOF, or unread bytes. */
  onHangUp(): void;
  /** A read has failed with this negative errno: closes the stream. */
  onReadError(errno: number): void;
  /** A read can never be satisfied, or the loop is closed: closes the stream. */
  onFailure(error: Error): void;
  /** The error of reads that find the stream closed. */
  closedError(partial?: Buffer): Error;
  /** The error of reads that find EOF. */
  endedError(partial?: Buffer): Error;
}

/** Bytes. */
export interface ReaderLimits {
  readonly maxBufferSize: number;
  readonly readChunkSize: number;
}

/** Resolves the promise of a read, also with a promise that is rejected. */
type Resolve = (value: unknown) => void;

/** The result of a read without a promise. It is called in the middle of the read, and runs no user code. */
export interface Settler<T> {
  resolve(value: T): void;
  reject(error: unknown): void;
}

/** The right to read, of one reader alone: see {@link Reader.claim}. */
export interface Claim {
  readonly read: Reader['read'];
  /** Others can read again. Idempotent. */
  release(): void;
}

/** The reading side. Never throws: failures are rejections. */
export class Reader {
  readonly #owner: ReaderOwner;
  readonly #source: Transport;
  readonly #limits: ReaderLimits;
  readonly #capacities: Capacities;
  /** {@link NO_BYTES} while there are none: an idle stream has no buffer. */
  #buffer = NO_BYTES;
  #reading = Reading.Idle;
  #input = Input.Open;
  /** The read, its result and its limits; `null` in state idle. The limits may come later, or not. */
  #read: Read<unknown> | null = null;
  #result: Resolve | Settler<unknown> | null = null;
  #wait: Wait | null = null;
  /** The method that has the {@link claim}. */
  #claimant: string | null = null;
  /** The reason of state lost. */
  #loss: Error | null = null;
  /**
   * Bytes that reads take from the source until the next event of a turn. Each read of a fast peer finds
   * some there: without this, the microtasks of a loop of reads would never end.
   */
  #budget: number;

  constructor(owner: ReaderOwner, source: Transport, limits: ReaderLimits, capacities: Capacities) {
    this.#owner = owner;
    this.#source = source;
    this.#limits = limits;
    this.#capacities = capacities;
    this.#budget = capacities.readBudget;
  }

  /** Whether a read is waiting, or there is a {@link claim}. */
  get reading(): boolean {
    return this.#read !== null || this.#claimant !== null;
  }

  /** Whether this read waits. */
  serves(read: Read<unknown>): boolean {
    return this.#read === read;
  }

  /** The method that waits, or has the {@link claim}; `null` without one. */
  get readName(): string | null {
    return this.#read?.name ?? this.#claimant;
  }

  /** Whether EOF was found. It stays true after a close. */
  get ended(): boolean {
    return this.#input >= Input.Eof;
  }

  /** Bytes that were received and not read. */
  get buffered(): number {
    return this.#buffer.length;
  }

  /** Starts a read, which is served at once if the bytes are there. */
  read<T>(read: Read<T>): Promise<T> {
    if (this.#read !== null) return Promise.reject(alreadyReading(this.#read.name, read.name));
    try {
      const value = this.#attempt(read);
      if (value !== undefined) return Promise.resolve(value);
    } catch (error) {
      return Promise.reject(this.#giveBack(read, error) as Error);
    } finally {
      this.#afterRead();
    }
    if (!this.#isOpen()) return Promise.reject(this.#giveBack(read, this.#endOf(read)) as Error);
    this.#read = read;
    this.#reading = Reading.Waiting;
    this.#demand(read);
    return this.#promise();
  }

  // Not in `read()`, where the closure would cost memory in each call.
  #promise<T>(): Promise<T> {
    return new Promise<T>((resolve) => {
      this.#result = resolve as Resolve;
    });
  }

  /** {@link read} without a promise: settles `result`. No read waits, and there is no {@link claim}. */
  readTo<T>(read: Read<T>, result: Settler<T>): void {
    try {
      const value = this.#attempt(read);
      if (value !== undefined) {
        result.resolve(value);
        return;
      }
    } catch (error) {
      result.reject(this.#giveBack(read, error));
      return;
    } finally {
      this.#afterRead();
    }
    if (!this.#isOpen()) {
      result.reject(this.#giveBack(read, this.#endOf(read)));
      return;
    }
    this.#read = read;
    this.#reading = Reading.Waiting;
    this.#demand(read);
    this.#result = result as Settler<unknown>;
  }

  /**
   * Refuses all reads but those of the result, until its release: for a method of several reads, between
   * which another one would take its bytes.
   *
   * @throws `ERR_IOLOOP_READING`.
   */
  claim(name: string): Claim {
    const { readName, read } = this;
    if (readName !== null) throw alreadyReading(readName, name);
    this.#claimant = name;
    // Replaced, as a branch would cost every read.
    this.read = (other) => Promise.reject(alreadyReading(name, other.name));
    let isReleased = false;
    return {
      read: (one) => read.call(this, one) as never,
      release: () => {
        if (isReleased) return;
        isReleased = true;
        this.#claimant = null;
        this.read = read;
      },
    };
  }

  /** Limits the waiting read: `wait` is over when the read is. */
  limit(wait: Wait): void {
    this.#wait = wait;
  }

  /** Rejects the waiting read. The bytes that it had are for the next one. */
  cancel(error: unknown): void {
    if (this.#read === null || this.#reading !== Reading.Waiting) return;
    this.#fail(this.#read, error);
    this.#afterRead();
  }

  /** Takes everything that was received and not read. */
  takeUnread(): Buffer {
    return this.#buffer.take(this.#buffer.length);
  }

  /** What was received and not read, until something is read or received. */
  get unread(): Buffer {
    return this.#buffer.view();
  }

  /** Closes the stream if received bytes could not be stored: they are missing after the unread ones. */
  checkLoss(): void {
    if (this.#input === Input.Lost) this.#owner.onFailure(this.#loss as Error);
  }

  /** Continues, before the first read, where another reader has left. Owns `unread`. */
  resume(unread: Buffer, ended: boolean): void {
    if (unread.length > 0) this.#filled().own(unread);
    // The owner was notified there.
    if (ended) this.#input = Input.EofReported;
  }

  /** Another reader has got the unread bytes, and continues. No read waits. */
  leave(): void {
    this.takeUnread();
    this.#input = Input.Closed;
    this.#release();
    // Also reads of no bytes. Replaced, as a branch would cost every read.
    this.read = () => Promise.reject(this.#owner.closedError());
  }

  /** The stream is closed. */
  close(): void {
    if (this.#input < Input.Eof) this.#input = Input.Closed;
    else this.#input = Input.EofClosed;
    const read = this.#read;
    if (read !== null && this.#reading === Reading.Waiting) this.#fail(read, this.#endOf(read));
    if (this.#buffer.isShared) this.#source.atTickEnd();
  }

  store(block: Block, start: number, end: number): void {
    try {
      this.#filled().receive(block, start, end);
    } catch (error) {
      // Out of memory. Nothing else may run now.
      this.#input = Input.Lost;
      this.#loss = error as Error;
    }
  }

  onStored(): void {
    if (this.#input === Input.Lost) this.#owner.onFailure(this.#loss as Error);
    // One chunk may come between two reads; more is received on demand only.
    if (this.#read === null) this.#source.demand(IDLE);
    this.#serve();
  }

  onReadable(): void {
    if (this.#read !== null) this.#serve();
  }

  onReadResult(result: number): void {
    this.#onResult(result);
    this.#serve();
  }

  /** Looks ahead in the next turn: by then the program has the results, and may have read on. */
  onPeerClosed(): void {
    if (this.#input >= Input.EofReported) this.#owner.onHangUp();
    else if (this.#read === null) this.#source.continueLater();
  }

  onContinue(): void {
    if (this.#read !== null) this.#serve();
    else if (this.#source.peerClosed) this.#lookAhead();
  }

  /** Bytes that were not read in this tick are copied out of the block that they share. */
  onTickEnd(): void {
    this.#buffer.detach();
  }

  /** Serves the waiting read, if there is one. */
  #serve(): void {
    const read = this.#read;
    this.#budget = this.#capacities.readBudget;
    if (read !== null) {
      this.#reading = Reading.Serving;
      try {
        const value = this.#attempt(read);
        if (value !== undefined) this.#succeed(value);
        else if (!this.#isOpen()) this.#fail(read, this.#endOf(read));
        else if (this.#source.readable) this.#source.continueLater();
      } catch (error) {
        this.#fail(read, error);
      } finally {
        if (this.#read !== null) this.#reading = Reading.Waiting;
      }
    }
    this.#afterRead();
  }

  /** The result of a read, from the buffer and as much of the source as the budget allows. */
  #attempt<T>(read: Read<T>): T | undefined {
    const { target } = read;
    target?.assertIntact(read.name);
    for (;;) {
      const value = this.#take(read);
      if (value !== undefined || !this.#isOpen()) return value;
      if (!this.#source.readable || this.#budget <= 0) return undefined;
      const count =
        target === null || target.room < this.#source.leastRoom
          ? this.#fill()
          : target.readFrom(this.#source, this.#capacities.readBudget);
      if (count <= 0) this.#onResult(count);
      else this.#budget -= count;
    }
  }

  /** @throws The error of the read. The stream is closed by then, unless the read spares it. */
  #take<T>(read: Read<T>): T | undefined {
    try {
      const more = this.#source.readable && this.#isOpen();
      const value = read.take(this.#buffer, this.ended, more);
      if (value !== undefined || !this.#isFull()) return value;
      throw bufferFull('read', this.#limits.maxBufferSize);
    } catch (error) {
      if (read.sparesStream && !this.#isFull()) throw error;
      this.#owner.onFailure(error as Error);
      throw this.#endOf(read);
    }
  }

  /** Reads a chunk to the buffer, up to one byte above its limit, or more if the source needs room. */
  #fill(): number {
    const room = this.#limits.maxBufferSize + 1 - this.#buffer.length;
    const size = Math.min(this.#limits.readChunkSize, room);
    return this.#filled().readFrom(this.#source, Math.max(size, this.#source.leastRoom));
  }

  /** A read of the source gave no bytes: EOF, or a negative errno. */
  #onResult(result: number): void {
    if (result === -EAGAIN || !this.#isOpen()) return;
    if (result === 0) this.#input = Input.Eof;
    else this.#owner.onReadError(result);
  }

  /** The peer has closed, and no read waits: reads ahead up to a chunk, to find EOF or the error. */
  #lookAhead(): void {
    while (this.#isOpen() && this.#source.readable) {
      if (this.#buffer.length >= this.#limits.readChunkSize) {
        // A reset closes the stream now. After a clean end the rest can still be read.
        this.#owner.onHangUp();
        return;
      }
      const count = this.#fill();
      if (count <= 0) this.#onResult(count);
    }
    this.#afterRead();
  }

  #demand({ target }: Read<unknown>): void {
    // A turn receives a fixed number of bytes: a stream with smaller chunks reads by itself.
    const { receiveBytes } = this.#capacities;
    const { readChunkSize } = this.#limits;
    const isSmall = readChunkSize >= receiveBytes && receiveBytes >= this.#source.leastRoom;
    this.#source.demand(target === null && isSmall ? RECEIVE : NOTIFY);
    if (this.#source.readable) this.#source.continueLater();
  }

  #succeed(value: unknown): void {
    const result = this.#end();
    if (typeof result === 'function') result(value);
    else result?.resolve(value);
  }

  #fail(read: Read<unknown>, error: unknown): void {
    const failure = this.#giveBack(read, error);
    const result = this.#end();
    // Each connection waits with a promise, and its rejecting function would take 56 bytes of memory.
    if (typeof result === 'function') result(Promise.reject(failure as Error));
    else result?.reject(failure);
  }

  /** Ends the read. Returns its result to settle; `null` if it was settled meanwhile. */
  #end(): Resolve | Settler<unknown> | null {
    const result = this.#result;
    this.#result = null;
    this.#read = null;
    this.#reading = Reading.Idle;
    this.#wait?.done();
    this.#wait = null;
    return result;
  }

  /** Returns the error that the read rejects with: `error`, unless bytes are lost. */
  #giveBack({ target, name }: Read<unknown>, error: unknown): unknown {
    try {
      if (target !== null && target.filled > 0) target.giveBack(this.#filled(), name);
      return error;
    } catch (lost) {
      // The bytes after the gap are of no use.
      this.#owner.onFailure(lost as Error);
      return this.#owner.closedError();
    }
  }

  /** After a read, or an attempt, whose result comes first. */
  #afterRead(): void {
    if (this.#buffer.length === 0) this.#release();
    else if (this.#buffer.isShared) this.#source.atTickEnd();
    if (this.#input === Input.Open) {
      if (this.#source.peerClosed && this.#source.readable) this.#source.continueLater();
    } else if (this.#input === Input.Eof) {
      this.#input = Input.EofReported;
      this.#owner.onEof();
    }
  }

  /** The error of a read that gets no more bytes. */
  #endOf(read: Read<unknown>): Error {
    if (this.#input === Input.Lost) this.#owner.onFailure(this.#loss as Error);
    const partial = read.keepsPartial ? this.takeUnread() : undefined;
    return this.ended ? this.#owner.endedError(partial) : this.#owner.closedError(partial);
  }

  /** The buffer, to fill. */
  #filled(): ReadBuffer {
    if (this.#buffer === NO_BYTES) this.#buffer = takeReadBuffer();
    return this.#buffer;
  }

  #release(): void {
    const buffer = this.#buffer;
    if (buffer === NO_BYTES) return;
    this.#buffer = NO_BYTES;
    releaseReadBuffer(buffer);
  }

  #isFull(): boolean {
    return this.#buffer.length > this.#limits.maxBufferSize;
  }

  // Methods, as a private getter is a call of the runtime in V8 (docs/design.md).
  #isOpen(): boolean {
    return this.#input === Input.Open;
  }
}

const { EAGAIN } = constants.errno;
