/** The writing side of a stream that copies its data, and has a promise for each write. */
import { Deferred, resolved } from '../support/deferred.js';
import { bufferFull } from '../support/errors.js';
import { BaseWriter } from './base-writer.js';
import { copyOf, type Data } from './data.js';
import type { WriterLimits, WriterOwner } from './transport.js';

/** Subclasses have the queue of the writes that are not sent. */
export abstract class CopyingWriter extends BaseWriter {
  #buffered = 0;
  /** Bytes that each waiting write costs, but for the first. */
  readonly #cost: number;

  constructor(owner: WriterOwner, limits: WriterLimits, cost: number) {
    super(owner, limits);
    this.#cost = cost;
  }

  override get buffered(): number {
    return this.#buffered;
  }

  override get held(): number {
    return this.#buffered + this.#cost * Math.max(0, this.waiting - 1);
  }

  override flush(): void {}

  override onContinue(): void {}

  override onTickEnd(): void {}

  protected override take(data: Data | readonly Data[]): Promise<void> {
    return this.#put(data).promise;
  }

  protected override add(data: Data | readonly Data[]): void {
    this.#put(data);
  }

  protected override abandon(): Deferred[] {
    this.#buffered = 0;
    return this.drop();
  }

  /** The number of writes that are not sent. */
  protected abstract get waiting(): number;

  /** The last of them. */
  protected abstract get last(): Deferred | null;

  /** Adds a write to the queue, and sends what can be sent. */
  protected abstract enqueue(bytes: Buffer, done: Deferred): void;

  /** Empties the queue. Returns its promises. */
  protected abstract drop(): Deferred[];

  /** So many bytes are sent. */
  protected left(bytes: number): void {
    this.#buffered -= bytes;
    this.sent += bytes;
  }

  #put(data: Data | readonly Data[]): Deferred {
    const bytes = copyOf(data);
    // It is sent when everything before it is, and takes no memory.
    if (bytes.length === 0) return this.last ?? resolved();
    const { maxBufferSize } = this.limits;
    const cost = this.waiting > 0 ? this.#cost : 0;
    if (this.held + bytes.length + cost > maxBufferSize) throw bufferFull('write', maxBufferSize);
    this.#buffered += bytes.length;
    this.checkHighWatermark();
    const done = new Deferred();
    this.enqueue(bytes, done);
    return done;
  }
}
