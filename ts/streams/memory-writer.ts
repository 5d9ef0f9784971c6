/** The writing side of a stream in memory. */
import { constants } from 'node:os';
import type { Deferred } from '../support/deferred.js';
import { Fifo } from '../support/fifo.js';
import { CopyingWriter } from './copying-writer.js';
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
export class MemoryWriter extends CopyingWriter {
  readonly #sink: MemorySink;
  readonly #waiting = new Fifo<Write>();
  /** Bytes of the first write that are sent. */
  #sent = 0;

  constructor(sink: MemorySink, owner: WriterOwner, limits: WriterLimits) {
    super(owner, limits, WRITE_COST);
    this.#sink = sink;
  }

  protected override get waiting(): number {
    return this.#waiting.length;
  }

  protected override get last(): Deferred | null {
    return this.#waiting.last()?.done ?? null;
  }

  override onWritable(): void {
    if (!this.isClosed) this.#pump();
  }

  protected override end(): void {
    if (this.#waiting.length === 0) this.finish();
  }

  protected override drop(): Deferred[] {
    const waiting: Deferred[] = [];
    for (let next = this.#waiting.at(0); next !== undefined; next = this.#waiting.at(0)) {
      this.#waiting.shift();
      waiting.push(next.done);
    }
    return waiting;
  }

  protected override enqueue(bytes: Buffer, done: Deferred): void {
    this.#waiting.push({ bytes, done });
    if (this.#waiting.length === 1) this.#pump();
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
      this.left(piece.length);
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
