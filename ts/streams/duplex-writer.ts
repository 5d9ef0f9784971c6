/** The writing side of a stream on a `Duplex` of Node, which queues by itself. */
import type { Duplex } from 'node:stream';
import { Deferred, resolved } from '../support/deferred.js';
import { bufferFull } from '../support/errors.js';
import { BaseWriter } from './base-writer.js';
import { copyOf, type Data } from './data.js';
import type { WriterLimits, WriterOwner } from './transport.js';

/** Writes copies of the data to a duplex, and counts the bytes until they are sent. */
export class DuplexWriter extends BaseWriter {
  readonly #duplex: Duplex;
  /** The writes that are not sent, with their lengths. */
  readonly #pending = new Map<Deferred, number>();
  /** Of the last write, while it is not sent. */
  #last: Deferred | null = null;
  #buffered = 0;

  constructor(duplex: Duplex, owner: WriterOwner, limits: WriterLimits) {
    super(owner, limits);
    this.#duplex = duplex;
  }

  override get buffered(): number {
    return this.#buffered;
  }

  override get held(): number {
    return this.#buffered + WRITE_COST * Math.max(0, this.#pending.size - 1);
  }

  // The duplex sends by itself, and calls back.
  override flush(): void {}

  override onWritable(): void {}

  override onContinue(): void {}

  override onTickEnd(): void {}

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

  protected override abandon(): Deferred[] {
    const waiting = [...this.#pending.keys()];
    this.#pending.clear();
    this.#last = null;
    this.#buffered = 0;
    return waiting;
  }

  override cork(): void {
    this.#duplex.cork();
  }

  override uncork(): void {
    this.#duplex.uncork();
  }

  protected override take(data: Data | readonly Data[]): Promise<void> {
    return this.#put(data).promise;
  }

  protected override add(data: Data | readonly Data[]): void {
    this.#put(data);
  }

  #put(data: Data | readonly Data[]): Deferred {
    const bytes = copyOf(data);
    // It is sent when everything before it is, and takes no memory.
    if (bytes.length === 0) return this.#last ?? resolved();
    const { maxBufferSize } = this.limits;
    const cost = this.#pending.size > 0 ? WRITE_COST : 0;
    if (this.held + bytes.length + cost > maxBufferSize) throw bufferFull('write', maxBufferSize);
    this.#buffered += bytes.length;
    this.checkHighWatermark();
    const done = new Deferred();
    this.#last = done;
    this.#pending.set(done, bytes.length);
    this.#duplex.write(bytes, (error) => {
      // A failure is reported by the 'error' event.
      if (error !== null && error !== undefined) return;
      this.#settle(done);
      this.checkLowWatermark();
    });
    return done;
  }

  /** A write is sent. Once: it may be closed, or known from elsewhere. */
  #settle(done: Deferred): void {
    const bytes = this.#pending.get(done);
    if (bytes === undefined) return;
    this.#pending.delete(done);
    if (this.#pending.size === 0) this.#last = null;
    this.#buffered -= bytes;
    this.sent += bytes;
    this.onSent(bytes);
    this.owner.onProgress();
    done.resolve();
  }
}

/** Bytes that each waiting write costs: the duplex keeps it by itself, over TLS with its record. */
const WRITE_COST = 512;
