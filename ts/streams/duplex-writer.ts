/** The writing side of a stream on a `Duplex` of Node, which queues by itself. */
import type { Duplex } from 'node:stream';
import type { Deferred } from '../support/deferred.js';
import { CopyingWriter } from './copying-writer.js';
import type { WriterLimits, WriterOwner } from './transport.js';

/** Writes copies of the data to a duplex, and counts the bytes until they are sent. */
export class DuplexWriter extends CopyingWriter {
  readonly #duplex: Duplex;
  /** The writes that are not sent, with their lengths. */
  readonly #pending = new Map<Deferred, number>();
  /** Of the last write, while it is not sent. */
  #last: Deferred | null = null;

  constructor(duplex: Duplex, owner: WriterOwner, limits: WriterLimits) {
    super(owner, limits, WRITE_COST);
    this.#duplex = duplex;
  }

  protected override get waiting(): number {
    return this.#pending.size;
  }

  protected override get last(): Deferred | null {
    return this.#last;
  }

  // The duplex sends by itself, and calls back.
  override onWritable(): void {}

  protected override end(): void {
    this.#duplex.end((error?: Error | null) => {
      if (error === null || error === undefined) this.finish();
      else this.onEndFailed(error);
    });
  }

  /** The duplex has sent everything, and has not called back yet. */
  protected allSent(): void {
    for (const done of this.#pending.keys()) this.#settle(done);
    this.checkLowWatermark();
  }

  /** The duplex has sent `_bytes` bytes. */
  protected onSent(_bytes: number): void {}

  /** The duplex could not be ended. */
  protected onEndFailed(error: Error): void {
    this.owner.onFailure(error);
  }

  protected override drop(): Deferred[] {
    const waiting = [...this.#pending.keys()];
    this.#pending.clear();
    this.#last = null;
    return waiting;
  }

  override cork(): void {
    this.#duplex.cork();
  }

  override uncork(): void {
    this.#duplex.uncork();
  }

  protected override enqueue(bytes: Buffer, done: Deferred): void {
    this.#last = done;
    this.#pending.set(done, bytes.length);
    this.#duplex.write(bytes, (error) => {
      // A failure is reported by the 'error' event.
      if (error !== null && error !== undefined) return;
      this.#settle(done);
      this.checkLowWatermark();
    });
  }

  /** A write is sent. Once: it may be closed, or known from elsewhere. */
  #settle(done: Deferred): void {
    const bytes = this.#pending.get(done);
    if (bytes === undefined) return;
    this.#pending.delete(done);
    if (this.#pending.size === 0) this.#last = null;
    this.left(bytes);
    this.onSent(bytes);
    this.owner.onProgress();
    done.resolve();
  }
}

/** Bytes that each waiting write costs: the duplex keeps it by itself, over TLS with its record. */
const WRITE_COST = 512;
