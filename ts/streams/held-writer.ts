/** The writing side of a stream while a file is sent: what is written meanwhile waits behind the file. */
import type { Pipe } from '../boundary/pipes.js';
import { Deferred } from '../support/deferred.js';
import { bufferFull } from '../support/errors.js';
import { copyOf, type Data } from './data.js';
import type { Writer, WriterOwner } from './transport.js';
import type { FdWriter } from './writer.js';

/**
 * A writer in front of another one, {@link HeldWriter.below}. A second file holds the writer that the
 * first one has.
 *
 * | State    | A write           | `shutdown`        | Next |
 * | -------- | ----------------- | ----------------- | ---- |
 * | holding  | waits             | after the writes that wait | released: {@link HeldWriter.release}; closed |
 * | released | goes to the writer below | is that below | |
 * | closed   | rejects, as below | rejects, as below | |
 */
const enum State {
  Holding,
  Released,
  Closed,
}

/** A write that waits: its bytes, copied, or its pipe. */
interface Waiting {
  readonly item: Buffer | Pipe;
  readonly length: number;
  readonly done: Deferred;
}

/** Holds writes back until it is released. */
export class HeldWriter implements Writer {
  readonly below: Writer;
  /** Bytes of the file that are not written yet, at least 1 until it is done: they count as unsent. */
  left = 1;
  readonly #limits: { readonly maxBufferSize: number; readonly highWaterMark: number };
  #state = State.Holding;
  #waiting: Waiting[] = [];
  #bytes = 0;
  #congested = false;
  #drained: Deferred | null = null;
  #ended: Deferred | null = null;

  constructor(
    below: Writer,
    limits: { readonly maxBufferSize: number; readonly highWaterMark: number },
  ) {
    this.below = below;
    this.#limits = limits;
  }

  get buffered(): number {
    const ours = this.#state === State.Holding ? this.#bytes + this.left : 0;
    return this.below.buffered + ours;
  }

  /** Without the file, which takes no memory. */
  get held(): number {
    return this.below.held + this.#bytes + WRITE_COST * this.#waiting.length;
  }

  get congested(): boolean {
    return this.#congested || this.below.congested;
  }

  get isEnding(): boolean {
    return this.#ended !== null || this.below.isEnding;
  }

  get isEnded(): boolean {
    return this.below.isEnded;
  }

  get sent(): number {
    return this.below.sent;
  }

  get owner(): WriterOwner {
    return this.below.owner;
  }

  set owner(owner: WriterOwner) {
    this.below.owner = owner;
  }

  write(data: Data | readonly Data[]): Promise<void> {
    if (this.#state !== State.Holding) return this.below.write(data);
    if (this.isEnding) return Promise.reject(this.owner.closedError());
    try {
      return this.#add(data).promise;
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  send(data: Data | readonly Data[]): boolean {
    if (this.#state !== State.Holding) return this.below.send(data);
    if (this.isEnding) return false;
    this.#add(data);
    return !this.congested;
  }

  /** The first writer below that holds nothing back, or this one. */
  get unheld(): Writer {
    if (this.#state === State.Holding) return this;
    return this.below instanceof HeldWriter ? this.below.unheld : this.below;
  }

  /** See {@link FdWriter.writePipe}. The writer below is one. */
  writePipe(pipe: Pipe): Promise<void> {
    if (this.#state !== State.Holding) return (this.below as FdWriter).writePipe(pipe);
    return this.#queue(pipe, pipe.held).promise;
  }

  cork(): void {
    this.below.cork();
  }

  uncork(): void {
    this.below.uncork();
  }

  drain(): Promise<void> {
    if (this.#state !== State.Holding || !this.#congested) return this.below.drain();
    return (this.#drained ??= new Deferred()).promise;
  }

  shutdown(): Promise<void> {
    if (this.#state !== State.Holding) return this.below.shutdown();
    return (this.#ended ??= new Deferred()).promise;
  }

  endSoon(): void {
    if (this.#state !== State.Holding) this.below.endSoon();
    else this.#ended ??= new Deferred();
  }

  flush(): void {
    this.below.flush();
  }

  onWritable(): void {
    this.below.onWritable();
  }

  onContinue(): void {
    this.below.onContinue();
  }

  onTickEnd(): void {
    this.below.onTickEnd();
  }

  close(): void {
    if (this.#state === State.Holding) {
      this.#state = State.Closed;
      const waiting = this.#take();
      for (const { item } of waiting) if (!Buffer.isBuffer(item)) item.release();
      const error = this.owner.closedError();
      for (const { done } of waiting) done.rejectQuietly(error);
      this.#drained?.rejectQuietly(error);
      this.#ended?.rejectQuietly(error);
    }
    this.below.close();
  }

  /** The file is done: writes what waits, in its order. */
  release(): void {
    if (this.#state !== State.Holding) return;
    this.#state = State.Released;
    this.left = 0;
    for (const { item, done } of this.#take()) {
      const written = Buffer.isBuffer(item) ? this.below.write(item) : this.writePipe(item);
      written.then(done.resolve, done.rejectQuietly.bind(done));
    }
    const wasCongested = this.#congested;
    this.#congested = false;
    if (wasCongested && !this.below.congested) this.owner.onDrained();
    if (this.#drained !== null) settleAs(this.#drained, this.below.drain());
    if (this.#ended !== null) settleAs(this.#ended, this.below.shutdown());
  }

  /** Copied, as it waits for longer than a write does. @throws `ERR_IOLOOP_BUFFER_FULL`. */
  #add(data: Data | readonly Data[]): Deferred {
    const bytes = copyOf(data);
    const { maxBufferSize } = this.#limits;
    if (bytes.length > 0) {
      const isFull = this.held + bytes.length + WRITE_COST > maxBufferSize;
      if (isFull) throw bufferFull('write', maxBufferSize);
    } else {
      // It is sent when everything before it is: one that waits serves all.
      const last = this.#waiting.at(-1);
      if (last !== undefined) return last.done;
    }
    return this.#queue(bytes, bytes.length);
  }

  #queue(item: Buffer | Pipe, length: number): Deferred {
    const done = new Deferred();
    this.#waiting.push({ item, length, done });
    this.#bytes += length;
    if (this.#bytes > this.#limits.highWaterMark) this.#congested = true;
    return done;
  }

  #take(): Waiting[] {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#bytes = 0;
    return waiting;
  }
}

function settleAs(deferred: Deferred, promise: Promise<void>): void {
  promise.then(deferred.resolve, deferred.rejectQuietly.bind(deferred));
}

/** The cost of each write that waits, in bytes: its promise. */
const WRITE_COST = 128;
