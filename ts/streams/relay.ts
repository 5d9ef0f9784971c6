/** One direction of a pump: moves the bytes of one stream to another, until EOF. */
import { Pipe } from '../boundary/pipes.js';
import { ioOf } from '../loop/internals.js';
import type { DeferredWork, LoopIO } from '../loop/io.js';
import { FdTransport } from './fd-transport.js';
import type { HeldWriter } from './held-writer.js';
import type { Claim } from './reader.js';
import { Rest } from './passage.js';
import { RelayRead } from './relay-read.js';
import type { Stream } from './stream.js';
import type { FdWriter } from './writer.js';

/**
 * | State   | Next                                                    |
 * | ------- | ------------------------------------------------------- |
 * | moving  | ended: EOF of the source; stopped: {@link Relay.stop}    |
 * | ended   | everything was written, and EOF is carried over if wanted |
 * | stopped | what was read is written; nothing is read any more      |
 */
const enum State {
  Moving,
  Ended,
  Stopped,
}

/** One chunk is on its way at a time: a sink that stalls stops the source, whose window closes. */
export class Relay {
  readonly from: Stream;
  readonly to: Stream;
  readonly #end: boolean;
  readonly #onBytes: (count: number) => void;
  /** While bytes are read: others would take some out of the middle. */
  #claim: Claim | null = null;
  #read: RelayRead | null = null;
  #state = State.Moving;

  /** `end`: EOF of `from` ends the writing side of `to`. */
  constructor(from: Stream, to: Stream, end: boolean, onBytes: (count: number) => void) {
    this.from = from;
    this.to = to;
    this.#end = end;
    this.#onBytes = onBytes;
  }

  /** EOF was found. What is written after it is not a matter of `from`. */
  get ended(): boolean {
    return this.#state === State.Ended;
  }

  /** Rejects with the error of the stream that has failed. Resolves when stopped. */
  async run(): Promise<void> {
    const { from, to } = this;
    const claim = from.reader.claim('pump');
    this.#claim = claim;
    try {
      await this.#move(claim);
    } finally {
      claim.release();
    }
    if (this.#end && this.ended) await to.writer.shutdown();
  }

  /** Counts what has passed. */
  announce(): void {
    this.#read?.announce();
  }

  /** Ends a wait for bytes with `error`. */
  stop(error: unknown): void {
    if (this.#state !== State.Moving) return;
    this.#state = State.Stopped;
    this.#read?.stop();
    this.from.reader.cancel(error);
    this.#claim?.release();
  }

  async #move(claim: Claim): Promise<void> {
    const io = ioOf(this.from.loop);
    const { pumpBudget } = io.capacities;
    const read = this.#newRead(io);
    this.#read = read;
    for (let budget = pumpBudget; ;) {
      const chunk = await this.#next(claim, read);
      if (chunk === null) break;
      const count = await this.#forward(chunk);
      this.#onBytes(count);
      budget -= count;
      if (budget > 0) continue;
      await nextTurn(io);
      budget = pumpBudget;
    }
  }

  /** Resolves to the number of bytes, when the sink has them. */
  async #forward(chunk: Buffer | Pipe | Rest): Promise<number> {
    if (chunk instanceof Rest) {
      await chunk.written;
      return chunk.count;
    }
    if (!(chunk instanceof Pipe)) {
      await this.#write(chunk);
      return chunk.length;
    }
    const { taken } = chunk;
    if (chunk.held === 0) chunk.release();
    else await (this.to.writer as FdWriter | HeldWriter).writePipe(chunk);
    return taken;
  }

  /** Writes of the program that wait may leave no room in memory; a pipe takes none. */
  async #write(chunk: Buffer): Promise<void> {
    const { to } = this;
    const { maxBufferSize } = to.limits.writer;
    while (to.held > 0 && to.held + chunk.length > maxBufferSize) await to.writer.write(NOTHING);
    await to.writer.write(chunk);
  }

  /** The next bytes; `null` at the end. */
  async #next(claim: Claim, read: RelayRead): Promise<Buffer | Pipe | Rest | null> {
    const { from } = this;
    if (this.#state !== State.Moving) return read.takeRest();
    try {
      return await claim.read(read);
    } catch (error) {
      // The source may have been closed, whose bytes are on their way.
      read.stop();
      const rest = read.takeRest();
      if (rest !== null) return rest;
      // Also while it waited.
      if (this.#isStopped()) return null;
      if (!from.reader.ended || from.error !== null) throw error;
      this.#state = State.Ended;
      return null;
    }
  }

  #isStopped(): boolean {
    return this.#state === State.Stopped;
  }

  #newRead(io: LoopIO): RelayRead {
    const { from, to } = this;
    const isPlain =
      from.transport instanceof FdTransport &&
      from.transport.canSplice &&
      // Its writer can send a pipe.
      to.transport instanceof FdTransport &&
      to.transport.socket !== null;
    const most = Math.min(from.limits.readChunkSize, Math.max(1, to.limits.writer.maxBufferSize));
    const source = isPlain ? (from.transport as FdTransport) : null;
    return new RelayRead(source, from, to, io, most, this.#onBytes);
  }
}

const NOTHING = Buffer.alloc(0);

/** Resolves in the next turn: other sources of the loop, and Node's, come first. */
function nextTurn(io: LoopIO): Promise<void> {
  return new Promise((resolve) => {
    const work: DeferredWork = { onContinue: resolve, onTickEnd: resolve };
    io.continueLater(work);
  });
}
