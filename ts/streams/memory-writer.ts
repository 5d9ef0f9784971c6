/** The writing side of a stream in memory. */
import { constants } from 'node:os';
import { Deferred, resolved } from '../support/deferred.js';
import { bufferFull } from '../support/errors.js';
import { Fifo } from '../support/fifo.js';
import { BaseWriter } from './base-writer.js';
import { copyOf, type Data } from './data.js';
import type { WriterLimits, WriterOwner } from './transport.js';

/** The other end, for a writer. */
export interface MemorySink {
  /** It takes bytes now. If not, the writer's `onWritable` follows. */
  readonly canSend: boolean;
  /** It is closed. */
  readonly isBroken: boolean;
  /** Gives it bytes, which belong to it from now on. */
  send(bytes: Buffer): void;
}

interface Write {
  readonly bytes: Buffer;
  readonly done: Deferred;
}

/** Copies the data, and keeps what the other end has no room for. */
export class MemoryWriter extends BaseWriter {
  readonly #sink: MemorySink;
  readonly #waiting = new Fifo<Write>();
  /** Bytes of the first write that are sent. */
  #sent = 0;
  #buffered = 0;

  constructor(sink: MemorySink, owner: WriterOwner, limits: WriterLimits) {
    super(owner, limits);
    this.#sink = sink;
  }

  override get buffered(): number {
    return this.#buffered;
  }

  override get held(): number {
    return this.#buffered + WRITE_COST * Math.max(0, this.#waiting.length - 1);
  }

  override flush(): void {}

  override onWritable(): void {
    if (!this.isClosed) this.#pump();
  }

  override onContinue(): void {}

  override onTickEnd(): void {}

  protected override end(): void {
    if (this.#waiting.length === 0) this.finish();
  }

  protected override abandon(): Deferred[] {
    const waiting: Deferred[] = [];
    for (let next = this.#waiting.at(0); next !== undefined; next = this.#waiting.at(0)) {
      this.#waiting.shift();
      waiting.push(next.done);
    }
    this.#buffered = 0;
    return waiting;
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
    if (bytes.length === 0) return this.#waiting.last()?.done ?? resolved();
    const { maxBufferSize } = this.limits;
    const cost = this.#waiting.length > 0 ? WRITE_COST : 0;
    if (this.held + bytes.length + cost > maxBufferSize) throw bufferFull('write', maxBufferSize);
    const done = new Deferred();
    this.#waiting.push({ bytes, done });
    this.#buffered += bytes.length;
    this.checkHighWatermark();
    if (this.#waiting.length === 1) this.#pump();
    return done;
  }

  #pump(): void {
    const sink = this.#sink;
    for (let next = this.#waiting.at(0); next !== undefined; next = this.#waiting.at(0)) {
      if (sink.isBroken) {
        this.owner.onWriteError(-EPIPE);
        return;
      }
      const { bytes, done } = next;
      if (!sink.canSend && bytes.length > 0) break;
      const piece = bytes.subarray(this.#sent, this.#sent + PIECE);
      if (piece.length > 0) sink.send(piece);
      this.#sent += piece.length;
      this.#buffered -= piece.length;
      this.sent += piece.length;
      this.owner.onProgress();
      if (this.#sent < bytes.length) continue;
      this.#sent = 0;
      this.#waiting.shift();
      done.resolve();
    }
    this.checkLowWatermark();
    if (this.#waiting.length === 0) this.finish();
  }
}

const { EPIPE } = constants.errno;

/** Most bytes that the other end gets at a time: so far its buffer is exceeded. */
const PIECE = 16_384;

/** The cost of each write that waits, in bytes: its promise. */
const WRITE_COST = 128;
