/** The writing side of a stream on a descriptor. */
import { capacities } from '../support/capacities.js';
import { bufferFull } from '../support/errors.js';
import { BaseWriter } from './base-writer.js';
import type { Channel, WritableEvents } from './channel.js';
import type { ChannelTable } from '../loop/channel-table.js';
import { bytesOf, isList, type Data } from './data.js';
import { Deferred } from '../support/deferred.js';
import { isNoMemory, isNoRoom, NO_CHAIN, type Sender } from '../boundary/send-batch.js';
import { SendQueue, SMALL_WRITE_COST } from './send-queue.js';
import type { WriterLimits, WriterOwner } from './transport.js';

/**
 * Small pieces go to the loop's batch, which leaves at the end of the tick; large ones are sent
 * from where they are. What the kernel has no room for waits in a queue, in order, until it has.
 *
 * | State | A write goes to | It ends by |
 * | --- | --- | --- |
 * | open, queue empty | the batch; a large one to the queue | a flush that is not sent whole |
 * | open, queue in use | the queue | a pump: empty, or blocked |
 * | blocked | the queue | room, the end of a connection attempt, or a retry |
 * | closed | nowhere: it rejects | |
 */
export class FdWriter extends BaseWriter implements Sender, WritableEvents {
  readonly #channel: Channel;
  readonly #table: ChannelTable;
  /** What is in the batch, and the promise of all of it. */
  #chain = NO_CHAIN;
  #done: Deferred | null = null;
  #queue: SendQueue | null = null;
  /** The rejection of what was refused in this tick. */
  #refusal: Promise<void> | null = null;
  #connecting: boolean;
  /** The kernel has no room, there is no connection yet, or sending has failed. */
  #blocked: boolean;

  constructor(
    owner: WriterOwner,
    table: ChannelTable,
    channel: Channel,
    limits: WriterLimits,
    connected: boolean,
  ) {
    super(owner, limits);
    this.#table = table;
    this.#channel = channel;
    this.#connecting = this.#blocked = !connected;
  }

  get fd(): number {
    return this.#channel.fd;
  }

  get mode(): number {
    return this.#channel.mode;
  }

  override get buffered(): number {
    return this.#staged() + (this.#queue?.bytes ?? 0);
  }

  override get held(): number {
    return this.buffered + (this.#queue?.cost ?? 0);
  }

  override flush(): void {
    if (this.#chain !== NO_CHAIN) this.#table.batch.flush();
  }

  protected override end(): void {
    this.flush();
    this.#finish();
  }

  protected override abandon(): (Deferred | null)[] {
    if (this.#chain !== NO_CHAIN) this.#table.batch.cancel(this.#chain);
    const waiting = [this.#done, ...(this.#queue?.abandon() ?? [])];
    this.#chain = NO_CHAIN;
    this.#done = null;
    return waiting;
  }

  protected override take(data: Data | readonly Data[]): Promise<void> {
    if (typeof data === 'string') return this.#writeString(data);
    // What most writes are; an empty one may be detached.
    if (data instanceof Uint8Array && data.length > 0) return this.#writeBytes(data);
    return isList(data) ? this.#writeAll(data) : this.#writeBytes(bytesOf(data));
  }

  onSent(rest: Uint8Array | null, result: number): void {
    const done = this.#done;
    this.#chain = NO_CHAIN;
    this.#done = null;
    if (rest === null) {
      done?.resolve();
      this.relieve();
      return;
    }
    this.#own().prepend(rest, done ?? new Deferred());
    if (this.#provesFull(result)) this.#block(result);
    else this.#channel.continueLater();
  }

  onSendFailed(): void {
    this.#chain = NO_CHAIN;
    this.#blocked = true;
  }

  onSendError(error: unknown): void {
    if (typeof error === 'number') this.owner.onWriteError(error);
    else this.owner.onFailure(error as Error);
  }

  onWritable(): void {
    if (!this.#blocked || this.closed) return;
    if (this.#connecting) {
      if (!this.owner.onConnectEnd()) return;
      this.#connecting = false;
    }
    this.#blocked = false;
    this.#pump();
  }

  onContinue(): void {
    if (!this.#blocked) this.#pump();
  }

  /** The end of the tick: large pieces follow the batch, which has been sent. */
  onTickEnd(): void {
    this.#queue?.endTick();
    this.#refusal = null;
    if (!this.#blocked && !this.closed && this.#isQueued()) this.#pump();
  }

  // Methods, as a private getter is a call of the runtime in V8 (docs/design.md).
  #staged(): number {
    return this.#chain === NO_CHAIN ? 0 : this.#table.batch.sizeOf(this.#chain);
  }

  #isQueued(): boolean {
    return this.#queue !== null && !this.#queue.isEmpty;
  }

  #writeString(text: string): Promise<void> {
    const { batch } = this.#table;
    // A character of UTF-16 takes at most three bytes.
    const most = 3 * text.length;
    if (text.length === 0 || most > batch.smallPiece || most > this.#headroom()) {
      return this.#writeBytes(Buffer.from(text));
    }
    return this.#canStage(most)
      ? this.#stage(batch.writeString(this, this.#chain, text))
      : this.#writeBytes(Buffer.from(text));
  }

  #writeBytes(bytes: Uint8Array): Promise<void> {
    const { length } = bytes;
    const { batch } = this.#table;
    if (!this.#hasRoom(length)) return this.#refuse();
    if (length > batch.smallPiece) return this.#enqueue([bytes], false);
    if (!this.#canStage(length)) return this.#enqueue([bytes], true);
    // What is empty has been sent when all before it has.
    if (length === 0) return this.#done?.promise ?? Promise.resolve();
    return this.#stage(batch.write(this, this.#chain, bytes));
  }

  #writeAll(list: readonly Data[]): Promise<void> {
    const pieces = Array.from(list, bytesOf);
    const total = pieces.reduce((sum, { length }) => sum + length, 0);
    if (total <= this.#table.batch.smallPiece) return this.#writeBytes(Buffer.concat(pieces));
    // All or nothing, and one promise for them all.
    if (!this.#hasRoom(total)) return this.#refuse();
    return this.#enqueue(pieces, false);
  }

  /**
   * Whether the batch has room, and nothing is queued that has to be sent first.
   *
   * @throws When making room has failed, and closed this stream.
   */
  #canStage(length: number): boolean {
    if (this.#blocked || this.#isQueued()) return false;
    const { batch } = this.#table;
    if (batch.hasRoom(length)) return true;
    batch.flush();
    if (this.closed) throw this.owner.closedError();
    // What cannot be flushed now, as it is being flushed, is queued.
    return !this.#blocked && !this.#isQueued() && batch.hasRoom(length);
  }

  #headroom(): number {
    return this.limits.maxBufferSize - this.held;
  }

  /** Whether there is room for a write. A small one that would be queued counts its cost, too. */
  #hasRoom(length: number): boolean {
    if (this.limits.maxBufferSize === Infinity) return true;
    const isSmall = length <= this.#table.batch.smallPiece;
    const cost = isSmall && this.#isQueued() ? SMALL_WRITE_COST : 0;
    return length + cost <= this.#headroom();
  }

  /** A million writes that are refused are cheap: those of one tick share the rejection. */
  #refuse(): Promise<void> {
    this.#channel.atTickEnd();
    return (this.#refusal ??= Promise.reject(bufferFull('write', this.limits.maxBufferSize)));
  }

  /** After `chain` has grown. */
  #stage(chain: number): Promise<void> {
    if (this.#chain === NO_CHAIN) this.#table.queueTickEnd();
    this.#chain = chain;
    this.noteCongestion();
    // One promise for all that leaves together: it resolves when the last byte has.
    return (this.#done ??= new Deferred()).promise;
  }

  #enqueue(pieces: readonly Uint8Array[], isSmall: boolean): Promise<void> {
    const queue = this.#own();
    const { smallPiece } = this.#table.batch;
    for (const piece of pieces) {
      if (piece.length <= smallPiece) queue.copy(piece);
      else queue.refer(piece);
    }
    this.noteCongestion();
    // Sent after the batch, at the end of the tick.
    this.#channel.atTickEnd();
    return queue.promise(isSmall);
  }

  /** The queue, to add to. */
  #own(): SendQueue {
    return (this.#queue ??= new SendQueue());
  }

  /** Sends what is queued, until the kernel is full or others are to have their turn. */
  #pump(): void {
    this.flush();
    if (this.closed) return;
    const queue = this.#queue;
    if (queue !== null) {
      try {
        this.#send(queue);
      } catch (error) {
        queue.settle(Infinity);
        this.owner.onFailure(error as Error);
      }
      if (this.closed) return;
      if (!queue.settle(SETTLED_PER_TURN)) this.#channel.continueLater();
    }
    this.relieve();
    this.#finish();
  }

  #send(queue: SendQueue): void {
    const { mode } = this.#channel;
    for (let budget = capacities.sendBudget; !this.#blocked && queue.bytes > 0;) {
      if (budget <= 0) {
        this.#channel.continueLater();
        return;
      }
      const count = queue.send(this.fd, mode, Math.min(budget, capacities.sendBudget));
      if (count < 0 && !isNoRoom(count)) {
        // What was sent before it has not failed.
        queue.settle(Infinity);
        this.owner.onWriteError(count);
        return;
      }
      if (count > 0) queue.advance(count);
      if (count < queue.offered && this.#provesFull(count)) this.#block(count);
      budget -= count;
    }
  }

  /**
   * Whether there will be an event when there is room: after `EAGAIN`, and when a socket has taken
   * less than it was offered. A terminal may have taken less because of a signal.
   */
  #provesFull(result: number): boolean {
    return result <= 0 || !this.#channel.isFile;
  }

  #block(result: number): void {
    this.#blocked = true;
    if (!isNoMemory(result)) return;
    this.owner.retryLater(() => {
      this.onWritable();
    });
  }

  /** Ends the direction once everything is sent. */
  #finish(): void {
    const { ending } = this;
    if (ending === null || this.closed || this.#blocked || this.#isQueued()) return;
    if (this.#chain !== NO_CHAIN) return;
    const error = this.owner.endWriting();
    if (error !== null) {
      this.owner.onFailure(error);
      return;
    }
    ending.resolve();
    this.owner.onWriteEnd();
  }
}

/** Writes whose promises are resolved in one turn, about: each may have a reaction. */
const SETTLED_PER_TURN = 4096;
