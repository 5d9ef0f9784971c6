/** What every writing side has: watermarks, the end of its direction, and the end of it all. */
import { Deferred } from '../support/deferred.js';
import type { Data } from './data.js';
import type { Writer, WriterLimits, WriterOwner } from './transport.js';

/** A writing side without a place to write to. Nothing here throws: what fails is a rejection. */
export abstract class BaseWriter implements Writer {
  protected readonly owner: WriterOwner;
  protected readonly limits: WriterLimits;
  protected closed = false;
  /** The end of the direction, once it was asked for. */
  ending: Deferred | null = null;
  #congested = false;
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

  write(data: Data | readonly Data[]): Promise<void> {
    try {
      if (this.closed || this.ending !== null) throw this.owner.closedError();
      return this.take(data);
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  drain(): Promise<void> {
    if (this.closed) return Promise.reject(this.owner.closedError());
    if (!this.#congested) return Promise.resolve();
    return (this.#drained ??= new Deferred()).promise;
  }

  shutdown(): Promise<void> {
    if (this.closed) return Promise.reject(this.owner.closedError());
    if (this.ending === null) {
      this.ending = new Deferred();
      this.end(this.ending);
    }
    return this.ending.promise;
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    const waiting = [...this.abandon(), this.#drained, this.ending];
    for (const done of waiting) done?.rejectQuietly(this.owner.closedError());
  }

  abstract flush(): void;

  /** @throws What the write is refused for; the writer is as before then. */
  protected abstract take(data: Data | readonly Data[]): Promise<void>;

  /** Ends the direction after what was written, and settles `done`. */
  protected abstract end(done: Deferred): void;

  /** Drops what is unsent: who waits for it. */
  protected abstract abandon(): readonly (Deferred | null)[];

  /** After more has come. */
  protected noteCongestion(): void {
    if (this.buffered > this.limits.highWaterMark) this.#congested = true;
  }

  /** After something has left. */
  protected relieve(): void {
    if (!this.#congested || this.buffered > this.limits.lowWaterMark) return;
    this.#congested = false;
    const drained = this.#drained;
    this.#drained = null;
    drained?.resolve();
  }
}
