/** The writing side of a stream on a descriptor. */
import { constants } from 'node:os';
import { capacities } from '../capacities.js';
import { bufferFull, invalidArgType } from '../errors.js';
import { native } from '../native.js';
import { BaseWriter } from './base-writer.js';
import type { Channel, WritableEvents } from './channel.js';
import type { ChannelTable } from './channel-table.js';
import { Deferred } from './deferred.js';
import type { Sender } from './send-batch.js';
import type { Data, WriterLimits, WriterOwner } from './transport.js';

/** Bytes that did not fit, and who waits for them. */
interface Pending {
  readonly bytes: Uint8Array;
  readonly done: Deferred | null;
}

/**
 * Small pieces go to the loop's batch, which leaves at the end of the tick; large ones are sent
 * from where they are. What the kernel has no room for waits here, in order, until it has.
 */
export class FdWriter extends BaseWriter implements Sender, WritableEvents {
  readonly #channel: Channel;
  readonly #table: ChannelTable;
  /** Bytes in the batch, the records they are in, and the promise of all of them. */
  #staged = 0;
  #first = NONE;
  #last = NONE;
  #done: Deferred | null = null;
  /** What waits for the kernel, from `#queueStart` on; the first is sent up to `#sent`. */
  #queue = NOTHING;
  #queueStart = 0;
  #sent = 0;
  #queued = 0;
  #connecting: boolean;
  /** The kernel has no room, or there is no connection yet. */
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

  get buffered(): number {
    return this.#staged + this.#queued;
  }

  flush(): void {
    if (this.#staged > 0) this.#table.batch.flush();
  }

  protected override end(): void {
    this.flush();
    this.#finish();
  }

  protected override abandon(): (Deferred | null)[] {
    if (this.#first !== NONE) this.#table.batch.cancel(this.#first);
    const queued = this.#queue.slice(this.#queueStart).map(({ done }) => done);
    const waiting = [this.#done, ...queued];
    this.#unstage();
    this.#queue = NOTHING;
    this.#queueStart = this.#queued = this.#sent = 0;
    return waiting;
  }

  protected override take(data: Data | readonly Data[]): Promise<void> {
    if (typeof data === 'string') return this.#writeString(data);
    if (data instanceof Uint8Array) return this.#writeBytes(data);
    return this.#writeAll(data);
  }

  onSent(result: number): void {
    const total = this.#staged;
    const done = this.#done;
    const first = this.#first;
    this.#unstage();
    if (result === total) {
      done?.resolve();
      this.relieve();
      return;
    }
    if (result < 0 && result !== -EAGAIN) {
      this.#done = done;
      this.owner.onWriteError(result);
      return;
    }
    const rest = this.#table.batch.unsent(first, Math.max(result, 0), total);
    this.#blocked = true;
    // Whatever was queued behind it came later.
    this.#own().splice(this.#queueStart, 0, { bytes: rest, done });
    this.#queued += rest.length;
  }

  onWritable(): void {
    if (!this.#blocked) return;
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

  /** The end of the tick: large pieces go behind the batch, which has been sent. */
  onTickEnd(): void {
    if (!this.#blocked && !this.closed && this.#queueStart < this.#queue.length) this.#pump();
  }

  #writeString(text: string): Promise<void> {
    // A character of UTF-16 takes at most three bytes.
    const most = 3 * text.length;
    if (most > Math.min(this.#table.batch.smallPiece, this.#headroom()) || !this.#canStage(most)) {
      return this.#writeBytes(Buffer.from(text));
    }
    const { batch } = this.#table;
    return this.#stage(batch.slab.write(text, batch.used, 'utf8'));
  }

  #writeBytes(bytes: Uint8Array): Promise<void> {
    const { length } = bytes;
    this.#checkRoom(length);
    if (length > this.#table.batch.smallPiece) return this.#enqueue(bytes);
    if (!this.#canStage(length)) return this.#enqueue(Buffer.from(bytes));
    const { batch } = this.#table;
    batch.slab.set(bytes, batch.used);
    return this.#stage(length);
  }

  #writeAll(list: readonly Data[]): Promise<void> {
    if (!Array.isArray(list)) {
      throw invalidArgType('data', list, 'a string, a Uint8Array or an array of them');
    }
    const pieces = list.map(bytesOf);
    this.#checkRoom(pieces.reduce((sum, { length }) => sum + length, 0));
    const total = pieces.reduce((sum, { length }) => sum + length, 0);
    if (total <= this.#table.batch.smallPiece)
      return this.#writeBytes(Buffer.concat(pieces, total));
    // All or nothing was checked; the promise of the last is that of them all.
    return pieces.reduce((_, piece) => this.#enqueue(piece), Promise.resolve());
  }

  /** Whether the batch has room, and nothing is queued that has to be sent first. */
  #canStage(length: number): boolean {
    const { batch } = this.#table;
    if (!batch.hasRoom(length)) batch.flush();
    return !this.#mustQueue();
  }

  #mustQueue(): boolean {
    return this.#blocked || this.#queueStart < this.#queue.length;
  }

  #headroom(): number {
    return this.limits.maxBufferSize - this.buffered;
  }

  #checkRoom(length: number): void {
    if (length > this.#headroom()) throw bufferFull('write', this.limits.maxBufferSize);
  }

  /** The `length` bytes at the end of the slab are this stream's. */
  #stage(length: number): Promise<void> {
    const table = this.#table;
    if (length === 0 && this.#done === null) return Promise.resolve();
    this.#last = table.batch.add(this, this.#last, length);
    if (this.#first === NONE) {
      this.#first = this.#last;
      table.queueTickEnd();
    }
    this.#staged += length;
    this.noteCongestion();
    // One promise for all that leaves together: it resolves when the last byte has.
    return (this.#done ??= new Deferred()).promise;
  }

  #unstage(): void {
    this.#staged = 0;
    this.#first = this.#last = NONE;
    this.#done = null;
  }

  #enqueue(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0 && !this.#mustQueue() && this.#staged === 0) return Promise.resolve();
    const done = new Deferred();
    this.#own().push({ bytes, done });
    this.#queued += bytes.length;
    this.noteCongestion();
    if (!this.#blocked) {
      // Behind what is in the batch, and at the end of the tick like that.
      this.#channel.atTickEnd();
    }
    return done.promise;
  }

  /** The queue, to add to. */
  #own(): Pending[] {
    if (this.#queue === NOTHING) this.#queue = [];
    return this.#queue;
  }

  /** Sends what is queued, until the kernel is full or others are to have their turn. */
  #pump(): void {
    this.flush();
    for (
      let budget = capacities.sendBudget;
      !this.#blocked && this.#queueStart < this.#queue.length;
    ) {
      if (budget <= 0) {
        this.#channel.continueLater();
        break;
      }
      const [count, wanted] = this.#sendQueued();
      if (count < 0 && count !== -EAGAIN) {
        this.owner.onWriteError(count);
        return;
      }
      if (count < wanted) this.#blocked = true;
      if (count > 0) this.#onQueuedSent(count);
      else if (wanted === 0) this.#onQueuedSent(0);
      budget -= count;
    }
    this.relieve();
    this.#finish();
  }

  /** Offers the first of the queue to the kernel: how many bytes it took, and of how many. */
  #sendQueued(): [count: number, wanted: number] {
    const { fd, mode, isFile } = this.#channel;
    const queue = this.#queue;
    const first = queue[this.#queueStart] as Pending;
    const length = Math.min(first.bytes.length - this.#sent, capacities.sendBudget);
    const several = this.#queueStart + 1 < queue.length && length < capacities.sendBudget;
    if (!several) {
      if (length === 0) return [0, 0];
      const send = isFile ? native.fdWrite : native.socketSend;
      return [send(fd, first.bytes, this.#sent, length), length];
    }
    const buffers = [first.bytes.subarray(this.#sent)];
    let wanted = length;
    for (let at = this.#queueStart + 1; at < queue.length; at += 1) {
      const { bytes } = queue[at] as Pending;
      if (
        buffers.length === native.SEND_ALL_BUFFERS ||
        wanted + bytes.length > capacities.sendBudget
      )
        break;
      buffers.push(bytes);
      wanted += bytes.length;
    }
    return [native.sendAll(fd, mode, buffers), wanted];
  }

  #onQueuedSent(count: number): void {
    this.#queued -= count;
    this.#sent += count;
    while (this.#queueStart < this.#queue.length) {
      const { bytes, done } = this.#queue[this.#queueStart] as Pending;
      if (this.#sent < bytes.length) break;
      this.#sent -= bytes.length;
      this.#queueStart += 1;
      done?.resolve();
    }
    if (this.#queueStart === this.#queue.length) {
      this.#queue = NOTHING;
      this.#queueStart = 0;
    } else if (this.#queueStart > MANY) {
      this.#queue = this.#queue.slice(this.#queueStart);
      this.#queueStart = 0;
    }
  }

  /** Ends the direction once everything is sent. */
  #finish(): void {
    if (this.ending === null || this.closed || this.buffered > 0 || this.#blocked) return;
    const error = this.owner.endWriting();
    if (error !== null) {
      this.owner.onFailure(error);
      return;
    }
    this.ending.resolve();
    this.owner.onWriteEnd();
  }
}

const { EAGAIN } = constants.errno;
const NONE = -1;
/** The queue of all streams that have none: most of them, most of the time. */
const NOTHING: Pending[] = [];

/** Sent entries that are put up with at the front of the queue. */
const MANY = 256;

function bytesOf(data: Data): Uint8Array {
  if (typeof data === 'string') return Buffer.from(data);
  if (data instanceof Uint8Array) return data;
  throw invalidArgType('data', data, 'a string, a Uint8Array or an array of them');
}
