/** The inflow of a connection: received bytes, until `data` has taken them. */
import { constants } from 'node:os';
import type { Block } from '../../boundary/receive-blocks.js';
import type { Guard } from '../../loop/guard.js';
import type { LoopIO } from '../../loop/io.js';
import { checkInteger } from '../../support/checks.js';
import { bufferDetached, bufferFull, streamBusy, systemError } from '../../support/errors.js';
import type { IOStream } from '../iostream.js';
import type { StreamSettings } from '../options.js';
import type { Sides, Watcher } from '../ownership.js';
import { NO_BYTES, releaseReadBuffer, takeReadBuffer, type ReadBuffer } from '../read-buffer.js';
import { IDLE, NOTIFY, RECEIVE, type Transport } from '../transport.js';
import type { Connection } from './connection.js';
import type { IdleTimeout } from './idle-timeout.js';
import type { ProtocolCalls } from './protocol.js';

/**
 * | Flow    | Bytes                 | `pause()` | `resume()` | `data` begins | `data` returns |
 * | ------- | --------------------- | --------- | ---------- | ------------- | -------------- |
 * | flowing | are given to `data`   | paused    | flowing    | calling       |                |
 * | calling | wait for its return   | pausing   | calling    |               | flowing        |
 * | pausing | wait                  | pausing   | calling    |               | paused         |
 * | paused  | wait, in the kernel   | paused    | flowing    |               |                |
 */
const enum Flow {
  Flowing,
  Calling,
  Pausing,
  Paused,
}

/** What the connections of a server share. */
export interface ConnectionSettings extends StreamSettings {
  readonly io: LoopIO;
  readonly guard: Guard;
  /** Makes the public stream on a connection: the class stands on this file. */
  readonly makeStream: MakeStream;
}

/** Makes a stream that goes on with a connection. */
export type MakeStream = (
  settings: StreamSettings,
  transport: Transport,
  sides: Sides,
  watcher: Watcher<unknown> | null,
  replaced: unknown,
) => IOStream;

/** The part of a {@link Connection} that receives. It is one object with the rest: a part of its own would cost memory. */
export abstract class Inflow {
  readonly #settings: ConnectionSettings;
  readonly #transport: Transport;
  #calls: ProtocolCalls;
  #flow = Flow.Flowing;
  /** Received bytes; {@link NO_BYTES} while there are none. */
  #buffer = NO_BYTES;
  /** Bytes of the chunk that `data` takes, while it runs: by default all. Between two chunks, of the last. */
  #taken = 0;
  /** Bytes that `data` has left: it is called again when there are more. */
  #left = 0;
  #received = 0;
  #idle: IdleTimeout | null = null;

  /** @internal */
  constructor(settings: ConnectionSettings, transport: Transport, calls: ProtocolCalls) {
    this.#settings = settings;
    this.#transport = transport;
    this.#calls = calls;
  }

  /** True if the connection is closed, or goes on as a stream. */
  abstract get closed(): boolean;

  /** True between {@link pause} and {@link resume}. */
  get paused(): boolean {
    return this.#flow >= Flow.Pausing;
  }

  /** The number of bytes that were received. */
  get bytesReceived(): number {
    return this.#received;
  }

  /** Stops `data` and `end`. The peer is slowed down once the buffers of the kernel are full. */
  pause(): void {
    if (this.#flow >= Flow.Pausing) return;
    if (this.#flow === Flow.Calling) {
      this.#flow = Flow.Pausing;
      return;
    }
    this.#flow = Flow.Paused;
    if (this.isReceiving()) this.#transport.demand(IDLE);
  }

  /** Ends {@link pause}. `data` is called in a later turn, not within this call. */
  resume(): void {
    if (this.#flow < Flow.Pausing) return;
    if (this.#flow === Flow.Pausing) {
      this.#flow = Flow.Calling;
      return;
    }
    this.#flow = Flow.Flowing;
    if (!this.isReceiving()) return;
    this.demand();
    if (this.#buffer.length > this.#left || this.#transport.readable) {
      this.#transport.continueLater();
    }
  }

  /**
   * Leaves the last `count` bytes of the chunk unread, for `data` alone and while it runs. It gets them
   * again, in front of the bytes that arrive next; at once if it has set another {@link protocol}, and
   * after {@link resume} if it has called {@link pause}. More than `maxBufferSize` close the connection.
   *
   * @throws `ERR_IOLOOP_STREAM_BUSY` outside of `data`; `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`.
   */
  unread(count: number): void {
    if (this.#flow !== Flow.Calling && this.#flow !== Flow.Pausing) {
      throw streamBusy('unread()', 'it is for a chunk, while data() runs');
    }
    const { length } = this.#buffer;
    this.#taken = length - checkInteger('count', count, 0, length);
  }

  /** @internal */
  get calls(): ProtocolCalls {
    return this.#calls;
  }

  /** @internal */
  set calls(calls: ProtocolCalls) {
    this.#calls = calls;
    this.#left = 0;
    if (this.#flow === Flow.Flowing && this.#buffer.length > 0) this.#transport.continueLater();
  }

  // For framing functions.

  /**
   * Bytes at the beginning of the chunk that `data` has had before.
   *
   * @internal
   */
  get seen(): number {
    return this.#left;
  }

  /**
   * {@link unread} without checks.
   *
   * @internal
   */
  leave(count: number): void {
    this.#taken = this.#buffer.length - count;
  }

  /**
   * Whether `calls`, those when the chunk began, get the next frame.
   *
   * @internal
   */
  isReading(calls: ProtocolCalls): boolean {
    return this.#flow === Flow.Calling && this.#calls === calls && this.isReceiving();
  }

  /**
   * Waits for the result of a function that `data` has called, as for its own.
   *
   * @internal
   */
  follow(result: unknown): void {
    this.#settings.guard.follow(this.#calls.data, result, this.self);
  }

  // The events of the transport: the first half of `TransportEvents`.

  /** @internal */
  store(block: Block, start: number, end: number): void {
    try {
      this.#filled().receive(block, start, end);
    } catch (error) {
      // Out of memory. Nothing else may run now.
      this.onLoss(error as Error);
    }
    this.#received += end - start;
    if (this.#idle !== null) this.#idle.last = this.#settings.io.now;
  }

  /** @internal */
  onStored(): void {
    if (this.loss === null) this.pump();
    else this.finish(this.loss);
  }

  /** @internal */
  onReadable(): void {
    this.pump();
  }

  /** @internal */
  onReadResult(result: number): void {
    const isNext = this.#flow === Flow.Flowing && this.#buffer.length <= this.#left;
    if (result < 0 || isNext) this.#onResult(result);
    // EOF is after the bytes that are there, whose pump finds it again; that of a paused one, later.
    else this.pump();
  }

  /**
   * The end of the tick: bytes that are left are copied out of the block that connections share.
   *
   * @internal
   */
  onTickEnd(): void {
    this.#buffer.detach();
  }

  // For the rest of the connection.

  /** @internal */
  protected get settings(): ConnectionSettings {
    return this.#settings;
  }

  /** @internal */
  protected get transport(): Transport {
    return this.#transport;
  }

  /** The connection, for the functions of its protocol. @internal */
  protected get self(): Connection<unknown> {
    return this as unknown as Connection<unknown>;
  }

  /** @internal */
  protected get idle(): IdleTimeout | null {
    return this.#idle;
  }

  /** @internal */
  protected set idle(idle: IdleTimeout | null) {
    this.#idle?.cancel();
    this.#idle = idle;
  }

  /** Whether `data` runs, which has noted the time. @internal */
  protected get isCalling(): boolean {
    return this.#flow === Flow.Calling || this.#flow === Flow.Pausing;
  }

  /** Bytes are given to `data` when they come. @internal */
  protected get isFlowing(): boolean {
    return this.#flow === Flow.Flowing;
  }

  /** Received bytes could not be stored. @internal */
  protected abstract get loss(): Error | null;

  /** @internal */
  protected abstract onLoss(error: Error): void;

  /** Bytes may come, and are for `data`. @internal */
  protected abstract isReceiving(): boolean;

  /** EOF was found, once. @internal */
  protected abstract onEof(): void;

  /** Closes the connection. @internal */
  protected abstract finish(error: Error | null): void;

  /** Begins with bytes that were received before. Owns `unread`. @internal */
  protected receiveFrom(unread: Buffer): void {
    if (unread.length > 0) this.#filled().own(unread);
    if (unread.length > 0 || this.#transport.readable) this.#transport.continueLater();
  }

  /**
   * The bytes that no call of `data` has taken, the rest of its chunk included.
   *
   * @internal
   * @throws `ERR_IOLOOP_BUFFER_DETACHED` if the program has transferred their memory. Nothing is taken then.
   */
  protected takeUnread(call: string): Buffer {
    const buffer = this.#buffer;
    const taken = this.isCalling ? this.#taken : 0;
    const left = buffer.length - taken;
    if (left > 0 && buffer.isLost) throw bufferDetached(call, left);
    buffer.skip(taken);
    // The room is used again when the running function has returned.
    buffer.leaveRoom();
    return buffer.take(left);
  }

  /** Nothing is received any more. @internal */
  protected dropUnread(): void {
    const { length } = this.#buffer;
    if (length > 0) this.#buffer.skip(length);
    this.#release();
  }

  /**
   * Gives bytes to `data`, those of the buffer and those that the budget allows to read.
   *
   * @internal
   */
  protected pump(): void {
    let budget = this.#settings.io.capacities.readBudget;
    while (this.#flow === Flow.Flowing && this.isReceiving()) {
      if (this.#buffer.length > this.#left) {
        this.#deliver();
        continue;
      }
      if (!this.#transport.readable) break;
      if (budget <= 0) {
        this.#transport.continueLater();
        break;
      }
      const count = this.#fill();
      if (count <= 0) {
        this.#onResult(count);
        break;
      }
      budget -= count;
    }
    if (this.#buffer.length === 0) this.#release();
    else if (this.#buffer.isShared) this.#transport.atTickEnd();
  }

  #deliver(): void {
    const buffer = this.#buffer;
    const calls = this.#calls;
    const chunk = buffer.view();
    this.#taken = chunk.length;
    this.#flow = Flow.Calling;
    this.#settings.guard.enter(calls.data, this.self, chunk);
    // The buffer may be another connection's.
    if (this.closed) return;
    const isPausing = this.#isPausing();
    this.#flow = isPausing ? Flow.Paused : Flow.Flowing;
    if (isPausing) this.#transport.demand(IDLE);
    buffer.skip(this.#taken);
    buffer.leaveRoom();
    this.#left = isPausing || calls !== this.#calls ? 0 : buffer.length;
    const { maxBufferSize } = this.#settings.limits;
    if (buffer.length > maxBufferSize) this.finish(bufferFull('read', maxBufferSize));
    else if (buffer.isLost) this.finish(bufferDetached('data', buffer.length));
  }

  // For the compiler, which takes a flow that it has seen for the one after a call, too.
  #isPausing(): boolean {
    return this.#flow === Flow.Pausing;
  }

  #fill(): number {
    const { io, limits } = this.#settings;
    const { receiveBytes } = io.capacities;
    const { readChunkSize, maxBufferSize } = limits;
    const transport = this.#transport;
    const wanted = Math.min(readChunkSize, maxBufferSize + 1 - this.#buffer.length);
    const size = Math.max(wanted, transport.leastRoom);
    const isLarge = this.#taken >= receiveBytes;
    const buffer = this.#filled();
    const count = isLarge ? this.#readLarge(buffer, size) : buffer.readFrom(transport, size);
    // Large chunks are read in one call, and not partly by the turn.
    if (count >= receiveBytes) transport.demand(NOTIFY);
    else if (isLarge && count > 0) this.demand();
    if (count > 0) {
      this.#received += count;
      this.#idle?.touch();
    }
    return count;
  }

  #readLarge(buffer: ReadBuffer, size: number): number {
    const transport = this.#transport;
    if (this.#calls.isBorrowing) return buffer.readBorrowed(transport, size);
    return buffer.readLarge(transport, size);
  }

  /** A read gave no bytes: EOF, or a negative errno. */
  #onResult(result: number): void {
    if (result === -EAGAIN) return;
    if (result < 0) this.finish(systemError(result, 'read'));
    else if (this.isReceiving()) this.onEof();
  }

  /**
   * The turn receives a fixed number of bytes: a connection with smaller chunks reads by itself.
   *
   * @internal
   */
  protected demand(): void {
    const { receiveBytes } = this.#settings.io.capacities;
    const { readChunkSize } = this.#settings.limits;
    const isSmall = readChunkSize >= receiveBytes && receiveBytes >= this.#transport.leastRoom;
    this.#transport.demand(isSmall ? RECEIVE : NOTIFY);
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
}

const { EAGAIN } = constants.errno;
