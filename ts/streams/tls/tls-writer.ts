/** The writing side of a stream with TLS: a `Duplex`, which queues by itself. */
import type { Duplex } from 'node:stream';
import { Deferred } from '../../support/deferred.js';
import { bufferFull } from '../../support/errors.js';
import { BaseWriter } from '../base-writer.js';
import { bytesOf, isList, type Data } from '../data.js';
import type { WriterLimits, WriterOwner } from '../transport.js';

/** Writes copies of the data to a `tls.TLSSocket`, and counts the bytes until they are sent. */
export class TlsWriter extends BaseWriter {
  readonly #duplex: Duplex;
  readonly #pending = new Set<Deferred>();
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
      else this.owner.onFailure(error);
    });
  }

  protected override abandon(): Deferred[] {
    const waiting = [...this.#pending];
    this.#pending.clear();
    this.#buffered = 0;
    return waiting;
  }

  protected override take(data: Data | readonly Data[]): Promise<void> {
    const bytes = copyOf(data);
    const { maxBufferSize } = this.limits;
    const cost = this.#pending.size > 0 ? WRITE_COST : 0;
    if (this.held + bytes.length + cost > maxBufferSize) throw bufferFull('write', maxBufferSize);
    this.#buffered += bytes.length;
    this.checkHighWatermark();
    const done = new Deferred();
    this.#pending.add(done);
    this.#duplex.write(bytes, (error) => {
      // A failure is reported by the 'error' event.
      if (error !== null && error !== undefined) return;
      if (!this.#pending.delete(done)) return;
      this.#buffered -= bytes.length;
      done.resolve();
      this.checkLowWatermark();
    });
    return done.promise;
  }
}

/** The cost of each write that waits, in bytes: TLS keeps each by itself, with its record. */
const WRITE_COST = 512;

/** A copy: the caller's memory may change before it is encrypted. */
function copyOf(data: Data | readonly Data[]): Uint8Array {
  if (typeof data === 'string') return Buffer.from(data);
  if (isList(data)) return Buffer.concat(Array.from(data, bytesOf));
  return Buffer.from(bytesOf(data));
}
