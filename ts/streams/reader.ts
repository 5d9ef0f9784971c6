/** The reading side of a stream: one read at a time, served from the buffer or by the source. */
import { constants } from 'node:os';
import { capacities } from '../support/capacities.js';
import {
  alreadyReading,
  bufferDetached,
  bufferFull,
  closedLoop,
  systemError,
} from '../support/errors.js';
import { receiveBlocks, type Block } from '../boundary/receive-blocks.js';
import { Deferred } from '../support/deferred.js';
import { ReadBuffer } from './read-buffer.js';
import type { Read, Target } from './reads.js';
import { IDLE, NOTIFY, RECEIVE, type Source, type SourceEvents } from './transport.js';
import type { Wait } from '../loop/wait.js';

/** The events of a reader, for its stream. */
export interface ReaderOwner {
  /** The peer has ended its side, and there is nothing more to come. */
  onEnd(): void;
  /** Something has happened to a peer that had ended its side. */
  onPeerGone(): void;
  /** A read has failed with this negative errno. */
  onReadError(errno: number): void;
  /** The stream is to be closed: a read can never be satisfied, or the loop is closed. */
  onFailure(error: Error): void;
  /** The error of reads that find the stream closed. */
  closedError(partial?: Buffer): Error;
  /** The error of reads that find the peer's end. */
  endedError(partial?: Buffer): Error;
}

/** How much a reader holds and asks for. */
export interface ReaderLimits {
  readonly maxBufferSize: number;
  readonly readChunkSize: number;
}

/** The reading side. Nothing here throws: what fails is a rejection. */
export class Reader implements SourceEvents {
  readonly #owner: ReaderOwner;
  readonly #maxBufferSize: number;
  readonly #readChunkSize: number;
  readonly #source: Source;
  readonly #buffer = new ReadBuffer();
  #read: Read<unknown> | null = null;
  #result: Deferred<unknown> | null = null;
  #wait: Wait | null = null;
  /** The waiting read is being served: a close in the middle of it leaves it alone. */
  #serving = false;
  /** No more bytes will come: the peer has ended, or the stream is closed. */
  #ended = false;
  /** It was the peer's end. */
  #endedByPeer = false;
  /** The stream was notified of EOF. */
  #endTold = false;
  /** Received bytes could not be kept. */
  #failure: Error | null = null;

  constructor(owner: ReaderOwner, source: Source, limits: ReaderLimits) {
    this.#owner = owner;
    this.#source = source;
    this.#maxBufferSize = limits.maxBufferSize;
    this.#readChunkSize = limits.readChunkSize;
  }

  /** Whether a read is waiting. */
  get reading(): boolean {
    return this.#read !== null;
  }

  /** Whether the peer has ended its side and that was noticed. */
  get ended(): boolean {
    return this.#endedByPeer;
  }

  /** Bytes that have arrived and were not read. */
  get buffered(): number {
    return this.#buffer.length;
  }

  /** Starts a read: it is done at once when the bytes are there. */
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
    if (this.#ended) return Promise.reject(this.#giveBack(read, this.#closedError(read)) as Error);
    this.#read = read;
    this.#demand(read);
    const result = new Deferred<T>();
    this.#result = result as Deferred<unknown>;
    return result.promise;
  }

  /** The wait that ends with the read that has just begun. */
  limit(wait: Wait): void {
    this.#wait = wait;
  }

  /** Gives the waiting read up, with `error`: its bytes stay for the next one. */
  cancel(error: unknown): void {
    // A read that is being served is settled there.
    if (this.#read === null || this.#serving) return;
    this.#fail(this.#read, error);
    this.#afterRead();
  }

  /** Takes what has arrived and was not read. */
  takeUnread(): Buffer {
    return this.#buffer.take(this.#buffer.length);
  }

  /** The stream is closed: the waiting read fails, buffered bytes stay. */
  close(): void {
    this.#ended = true;
    const read = this.#read;
    // A read that is being served is settled by `#serve`, once it has taken what is there.
    if (read !== null && !this.#serving) this.#fail(read, this.#closedError(read));
    if (this.#buffer.isShared) this.#source.atTickEnd();
  }

  store(block: Block, start: number, end: number): void {
    try {
      this.#buffer.receive(block, start, end);
    } catch (error) {
      // No memory: the bytes are lost, and with them the stream.
      this.#failure = error as Error;
    }
  }

  onStored(): void {
    if (this.#failure !== null) this.#owner.onFailure(this.#failure);
    // Between two reads one chunk may come, and then no more until it is wanted.
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

  /** Looked into in the next turn: until then what was read is answered. */
  onPeerClosed(): void {
    if (this.#endTold) this.#owner.onPeerGone();
    else if (this.#read === null) this.#source.continueLater();
  }

  onLost(): void {
    this.#owner.onFailure(systemError(-EBADF, 'read'));
  }

  onLoopClosed(): void {
    this.#owner.onFailure(closedLoop());
  }

  onContinue(): void {
    if (this.#read !== null) this.#serve();
    else if (this.#source.peerClosed) this.#lookAhead();
  }

  /** What stays in a block that others share is copied out, unless it was read in this tick. */
  onTickEnd(): void {
    this.#buffer.detach();
  }

  /** Satisfies the waiting read, if it can be. */
  #serve(): void {
    const read = this.#read;
    if (read !== null) {
      this.#serving = true;
      try {
        const value = this.#attempt(read);
        if (value !== undefined) this.#settle()?.resolve(value);
        else if (this.#ended) this.#fail(read, this.#closedError(read));
        else if (this.#source.readable) this.#source.continueLater();
      } catch (error) {
        this.#fail(read, error);
      } finally {
        this.#serving = false;
      }
    }
    this.#afterRead();
  }

  /** The result of a read, from the buffer and as much of the source as its budget allows. */
  #attempt<T>(read: Read<T>): T | undefined {
    const { target } = read;
    if (target !== null && target.bytes.length < target.size) throw bufferDetached(read.name, 0);
    for (let budget = capacities.readBudget; ;) {
      const value = this.#take(read);
      if (value !== undefined || this.#ended) return value;
      if (!this.#source.readable || budget <= 0) return undefined;
      const count =
        target === null || target.size - target.filled < this.#source.leastRoom
          ? this.#pull()
          : this.#pullInto(target);
      if (count <= 0) this.#onResult(count);
      budget -= Math.max(count, 0);
    }
  }

  /** @throws What the read fails with. Unless the read is to spare it, the stream is closed then. */
  #take<T>(read: Read<T>): T | undefined {
    try {
      const more = this.#source.readable && !this.#ended;
      const value = read.take(this.#buffer, this.#endedByPeer, more);
      if (value !== undefined || this.#buffer.length <= this.#maxBufferSize) return value;
      throw bufferFull('read', this.#maxBufferSize);
    } catch (error) {
      if (read.sparesStream && !this.#isFull()) throw error;
      this.#owner.onFailure(error as Error);
      throw this.#closedError(read);
    }
  }

  #isFull(): boolean {
    return this.#buffer.length > this.#maxBufferSize;
  }

  /**
   * Reads a chunk to the buffer; never more than one byte above its limit, unless the source needs
   * more room.
   */
  #pull(): number {
    const buffer = this.#buffer;
    const { leastRoom } = this.#source;
    const room = this.#maxBufferSize + 1 - buffer.length;
    const size = Math.max(Math.min(this.#readChunkSize, room), leastRoom);
    const shared = buffer.length > 0 ? 0 : receiveBlocks.reserve(size);
    return shared < leastRoom ? this.#pullApart(size) : this.#pullShared(shared);
  }

  /** Appends to the buffer's own memory. */
  #pullApart(size: number): number {
    const buffer = this.#buffer;
    const offset = buffer.reserve(size);
    const count = this.#source.read(buffer.bytes, offset, size);
    if (count > 0) buffer.grow(count);
    return count;
  }

  #pullShared(size: number): number {
    const { block, offset } = receiveBlocks;
    const count = this.#source.read(block.bytes, offset, size);
    if (count <= 0) return count;
    receiveBlocks.offset = offset + count;
    this.#buffer.receive(block, offset, offset + count);
    return count;
  }

  #pullInto(target: Target): number {
    const { bytes, filled, size: whole } = target;
    const size = Math.min(whole - filled, capacities.readBudget);
    const count = this.#source.read(bytes, filled, size);
    if (count > 0) target.filled += count;
    return count;
  }

  /** A read of the source gave EOF or an errno. */
  #onResult(result: number): void {
    if (result === -EAGAIN || this.#ended) return;
    if (result === 0) {
      this.#ended = this.#endedByPeer = true;
    } else {
      this.#owner.onReadError(result);
    }
  }

  /** The peer has closed and no read waits: reads ahead, up to a chunk, to find EOF or the error. */
  #lookAhead(): void {
    while (!this.#ended && this.#source.readable) {
      if (this.#buffer.length >= this.#readChunkSize) {
        // A reset ends it now; after a clean end the rest can still be read.
        this.#owner.onPeerGone();
        return;
      }
      const count = this.#pull();
      if (count <= 0) this.#onResult(count);
    }
    this.#afterRead();
  }

  #demand({ target }: Read<unknown>): void {
    // A stream that reads less at a time than a turn receives does its own reads.
    const { receiveBytes } = capacities;
    const isSmall = this.#readChunkSize >= receiveBytes && receiveBytes >= this.#source.leastRoom;
    this.#source.demand(target === null && isSmall ? RECEIVE : NOTIFY);
    if (this.#source.readable) this.#source.continueLater();
  }

  /** The waiting read is over; gives what to settle, unless that was done meanwhile. */
  #settle(): Deferred<unknown> | null {
    const result = this.#result;
    this.#result = null;
    this.#read = null;
    this.#wait?.done();
    this.#wait = null;
    return result;
  }

  /** The waiting read gets nothing: what it had taken stays for the next one. */
  #fail(read: Read<unknown>, error: unknown): void {
    const failure = this.#giveBack(read, error);
    this.#settle()?.reject(failure);
  }

  /**
   * A read that fails gives back what it had, once: its memory is the user's again. Gives what the
   * read fails with: `error`, unless bytes are lost.
   */
  #giveBack(read: Read<unknown>, error: unknown): unknown {
    const { target } = read;
    if (target === null || target.filled === 0) return error;
    const { bytes, filled } = target;
    target.filled = 0;
    try {
      // The user's memory may be detached, or smaller than it was.
      if (bytes.length < filled) throw bufferDetached(read.name, filled);
      this.#buffer.prepend(bytes.subarray(0, filled));
      return error;
    } catch (lost) {
      // The bytes after the gap are of no use.
      this.#owner.onFailure(lost as Error);
      return this.#owner.closedError();
    }
  }

  /** What follows from a read, once it is answered. */
  #afterRead(): void {
    if (this.#buffer.isShared) this.#source.atTickEnd();
    if (!this.#ended) {
      if (this.#source.peerClosed && this.#source.readable) this.#source.continueLater();
    } else if (this.#endedByPeer && !this.#endTold) {
      this.#endTold = true;
      this.#owner.onEnd();
    }
  }

  #closedError(read: Read<unknown>): Error {
    const partial = this.#partial(read);
    return this.#endedByPeer ? this.#owner.endedError(partial) : this.#owner.closedError(partial);
  }

  #partial(read: Read<unknown>): Buffer | undefined {
    return read.keepsPartial ? this.#buffer.take(this.#buffer.length) : undefined;
  }
}

const { EAGAIN, EBADF } = constants.errno;
