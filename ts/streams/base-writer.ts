/** The writing side of a stream, wherever its bytes go: half-close, and backpressure. */
import { Deferred, quiet } from '../support/deferred.js';
import { isStreamClosed } from '../support/errors.js';
import type { Data } from './data.js';
import type { Writer, WriterLimits, WriterOwner } from './transport.js';

/**
 * How far a writing side has ended. Failures are rejections with the owner's error.
 *
 * | State  | `write`  | `shutdown`        | Next |
 * | ------ | -------- | ----------------- | ---- |
 * | open   | taken    | ends it           | ending: `shutdown`; closed: `close` |
 * | ending | rejects  | the same promise  | ended: everything and FIN are sent; closed: `close`, which rejects |
 * | ended  | rejects  | a resolved promise | closed: `close` |
 * | closed | rejects  | rejects           | |
 *
 * Rejections of a closed side with a `StreamClosedError` are quiet: a peer closes the connection at any
 * time, and a program need not await. Other rejections are faults of the program.
 */
export const enum WriteState {
  Open,
  Ending,
  Ended,
  Closed,
}

/** A writing side without its sink, which subclasses add. Never throws: failures are rejections. */
export abstract class BaseWriter implements Writer {
  /** Another one when the connection goes on in another object. */
  owner: WriterOwner;
  protected limits: WriterLimits;
  /** Bytes that have left: the kernel, or the sink of a subclass, has them. */
  sent = 0;
  #state = WriteState.Open;
  /** Settled when the state {@link WriteState.Ending} ends. */
  #ended: Deferred | null = null;
  /** Above the high watermark, and not at the low one since. */
  #congested = false;
  /** Resolved when the congestion ends; `null` until `drain` waits for it. */
  #drained: Deferred | null = null;

  constructor(owner: WriterOwner, limits: WriterLimits) {
    this.owner = owner;
    this.limits = limits;
  }

  abstract get buffered(): number;

  abstract get held(): number;

  get congested(): boolean {
    return this.#congested;
  }

  get isEnding(): boolean {
    return this.#state === WriteState.Ending;
  }

  get isEnded(): boolean {
    return this.#state === WriteState.Ended;
  }

  /** Takes writes, and no promise waits. */
  protected get isQuiet(): boolean {
    return this.#state === WriteState.Open && !this.#congested;
  }

  protected get isClosed(): boolean {
    return this.#state === WriteState.Closed;
  }

  /** Rejects, and never throws: a caller may not be within a `try`. */
  write(data: Data | readonly Data[]): Promise<void> {
    if (this.#state !== WriteState.Open) return this.#rejection(this.owner.closedError());
    try {
      return this.take(data);
    } catch (error) {
      return this.#rejection(error);
    }
  }

  /** @throws The reason of a refusal, which changes nothing. */
  send(data: Data | readonly Data[]): boolean {
    if (this.#state !== WriteState.Open) return false;
    try {
      this.add(data);
    } catch (error) {
      // Closed by a flush that was to make room.
      if (this.isClosed) return false;
      throw error;
    }
    return !this.#congested;
  }

  /** Writes until {@link uncork} are to leave together, as they do by themselves in one tick. */
  cork(): void {}

  uncork(): void {}

  drain(): Promise<void> {
    if (this.isClosed) return this.#rejection(this.owner.closedError());
    if (!this.#congested) return Promise.resolve();
    return (this.#drained ??= new Deferred()).promise;
  }

  shutdown(): Promise<void> {
    if (this.isClosed) return this.#rejection(this.owner.closedError());
    const { promise } = (this.#ended ??= this.#endPromise());
    this.endSoon();
    return promise;
  }

  endSoon(): void {
    if (this.#state !== WriteState.Open) return;
    this.#state = WriteState.Ending;
    this.end();
  }

  #endPromise(): Deferred {
    const ended = new Deferred();
    if (this.#state === WriteState.Ended) ended.resolve();
    return ended;
  }

  /** Rejects everything that waits, quietly: a program need not await its writes. */
  close(): void {
    if (this.isClosed) return;
    this.#state = WriteState.Closed;
    const waiting = [...this.abandon(), this.#drained, this.#ended];
    for (const done of waiting) done?.rejectQuietly(this.owner.closedError());
  }

  abstract flush(): void;

  abstract onWritable(): void;

  abstract onContinue(): void;

  abstract onTickEnd(): void;

  /** Takes a write in state open. @throws The reason of a refusal, which changes nothing. */
  protected abstract take(data: Data | readonly Data[]): Promise<void>;

  /** {@link take} without a promise. @throws As that. */
  protected abstract add(data: Data | readonly Data[]): void;

  /** Calls {@link finish} when all writes are sent. */
  protected abstract end(): void;

  /** Drops the unsent bytes. Returns the promises to reject. */
  protected abstract abandon(): readonly (Deferred | null)[];

  /** Everything before a {@link shutdown} is sent: sends FIN, after which the side has ended. */
  protected finish(): void {
    if (this.#state !== WriteState.Ending) return;
    const error = this.owner.endWriting();
    if (error !== null) {
      this.owner.onFailure(error);
      return;
    }
    this.#state = WriteState.Ended;
    this.#ended?.resolve();
    this.owner.onWriteEnd();
  }

  /** The result of a write outside of state open; `null` in it. */
  protected refusal(): Promise<void> | null {
    return this.#state === WriteState.Open ? null : this.#rejection(this.owner.closedError());
  }

  #rejection(error: unknown): Promise<void> {
    const rejection = Promise.reject(error as Error);
    return this.isClosed && isStreamClosed(error) ? quiet(rejection) : rejection;
  }

  /** After bytes were added. */
  protected checkHighWatermark(): void {
    if (this.buffered > this.limits.highWaterMark) this.#congested = true;
  }

  /** After bytes were sent. */
  protected checkLowWatermark(): void {
    if (!this.#congested || this.buffered > this.limits.lowWaterMark) return;
    this.#congested = false;
    const drained = this.#drained;
    this.#drained = null;
    drained?.resolve();
    this.owner.onDrained();
  }
}
