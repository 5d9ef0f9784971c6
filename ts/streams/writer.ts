/** The writing side of a stream on a descriptor. */
import {
  isNoMemory,
  isNoRoom,
  type Chain,
  type SendBatch,
  type Sender,
} from '../boundary/send-batch.js';
import { borrowedRoom } from '../boundary/borrowed-room.js';
import type { Pipe } from '../boundary/pipes.js';
import { Deferred } from '../support/deferred.js';
import { bufferFull } from '../support/errors.js';
import { BaseWriter } from './base-writer.js';
import { bytesOf, isList, type Data } from './data.js';
import { SendQueue, SMALL_WRITE_COST, type Mark } from './send-queue.js';
import type { FdSink, WriterLimits, WriterOwner } from './transport.js';

/**
 * Whether the kernel takes bytes. Small writes go to the loop's batch, which leaves at the end of the
 * tick; larger ones, and all that the kernel has no room for, wait in a queue of the stream.
 *
 * | State            | A small write goes to | A large one | Next |
 * | ---------------- | --------------------- | ----------- | ---- |
 * | open, none queued | the batch | the queue | blocked, failed: the flush; open, queued: a large write, or a part that a file took |
 * | open, queued     | the queue | the queue | open, none queued: all is sent; blocked: no room |
 * | blocked          | the queue | the queue | open: the event of room or of a connection, or the retry after `ENOBUFS` |
 * | failed           | the queue | the queue | closed: `onSendError`, after the flush |
 * | lent, none queued | the queue | the queue | open: before anything is queued, or ends; see `passage.ts` |
 *
 * The queue is sent (a pump) at the end of a tick, after the batch; on becoming open; and in the
 * next turn when its budget was spent. The states of the base, of which closed is one, are apart:
 * while ending, every pump that leaves nothing unsent is followed by FIN.
 */
const enum Sending {
  Open,
  Blocked,
  Failed,
  Lent,
}

/**
 * The writing side of a stream on a socket, a pipe, or another file.
 *
 * A writer serves one connection while it has something to send. Then its owner forgets it, and the
 * next connection gets it: as many are in use as a turn has messages, which are in the cache, and idle
 * connections have none.
 */
export class FdWriter extends BaseWriter implements Sender {
  #sink: FdSink;
  #batch: SendBatch;
  #sending: Sending;
  /** The writes in the batch, with their promise. In state failed, those that were not sent. */
  #chain: Chain | null = null;
  #queue: SendQueue | null = null;
  /** The rejection that the refused writes of this tick share. */
  #refusal: Promise<void> | null = null;

  private constructor(owner: WriterOwner, sink: FdSink, limits: WriterLimits) {
    super(owner, limits);
    this.sent = sink.sent;
    this.#sink = sink;
    this.#batch = sink.batch;
    this.#sending = sink.connected ? Sending.Open : Sending.Blocked;
  }

  /** A writer for `sink`, until {@link WriterOwner.forgets} it. */
  static take(owner: WriterOwner, sink: FdSink, limits: WriterLimits): FdWriter {
    if (spareCount === 0) return new FdWriter(owner, sink, limits);
    spareCount -= 1;
    const writer = spares[spareCount] as FdWriter;
    // It is its owner's, and may be garbage with it.
    spares[spareCount] = null;
    writer.owner = owner;
    writer.limits = limits;
    writer.sent = sink.sent;
    writer.#sink = sink;
    writer.#batch = sink.batch;
    writer.#sending = sink.connected ? Sending.Open : Sending.Blocked;
    return writer;
  }

  /** Takes over the chain of a sink that has written without a writer. */
  adopt(chain: Chain): void {
    this.#chain = chain;
    chain.sender = this;
  }

  get fd(): number {
    return this.#sink.fd;
  }

  get mode(): number {
    return this.#sink.mode;
  }

  override get buffered(): number {
    return (this.#chain?.bytes ?? 0) + (this.#queue?.bytes ?? 0);
  }

  override get held(): number {
    return this.buffered + (this.#queue?.cost ?? 0);
  }

  override flush(): void {
    if (this.#chain !== null) this.#batch.flush();
  }

  /** Flushes the batch in the middle of a call of a writer, which is not given away meanwhile. */
  #flushHeld(): void {
    // The close of a stream that has failed may run code of the program, which writes and flushes, too.
    const wasHeld = isHeld;
    isHeld = true;
    try {
      this.#batch.flush();
    } finally {
      isHeld = wasHeld;
    }
  }

  protected override end(): void {
    this.#regain();
    if (this.#chain !== null) this.#flushHeld();
    this.#finishIfSent();
  }

  protected override abandon(): (Deferred | null)[] {
    this.#regain();
    const chain = this.#chain;
    this.#chain = null;
    if (chain !== null) this.#batch.cancel(chain);
    return [chain?.done ?? null, ...(this.#queue?.abandon() ?? [])];
  }

  protected override take(data: Data | readonly Data[]): Promise<void> {
    const place = this.#put(data);
    if (place === REFUSED) return this.#refuse();
    if (place === null) return Promise.resolve();
    return (place.done ??= new Deferred()).promise;
  }

  protected override add(data: Data | readonly Data[]): void {
    if (this.#put(data) === REFUSED) throw bufferFull('write', this.limits.maxBufferSize);
  }

  /**
   * Where a write has gone, with the promise of the writes that leave with it; `null` if everything
   * is sent, {@link REFUSED} for lack of room.
   */
  #put(data: Data | readonly Data[]): Place {
    if (typeof data === 'string') return this.#writeString(data);
    // The common case. An empty array may be a detached one, which `bytesOf` refuses.
    if (data instanceof Uint8Array && data.length > 0) return this.#writeBytes(data);
    return isList(data) ? this.#writeAll(data) : this.#writeBytes(bytesOf(data));
  }

  /**
   * Writes the bytes of a pipe, which belongs to this writer from now on. The sink is a socket. No limit
   * refuses them, as they take none of this process's memory.
   */
  writePipe(pipe: Pipe): Promise<void> {
    this.#regain();
    const refusal = this.refusal();
    if (refusal !== null) {
      pipe.release();
      return refusal;
    }
    const isFirst = this.#chain === null && !this.#isQueued();
    const promise = this.#queuePipe(pipe);
    // At once, as nothing would be sent together with it.
    if (isFirst && this.#isOpen()) this.#pump();
    else this.#sink.atTickEnd();
    return promise;
  }

  #queuePipe(pipe: Pipe): Promise<void> {
    const queue = this.#ownQueue();
    queue.move(pipe);
    const { promise } = (queue.mark(false).done ??= new Deferred());
    this.checkHighWatermark();
    return promise;
  }

  /** The kernel moves bytes past this writer, which has nothing to send, until {@link takeBack}. */
  lend(): void {
    this.#sending = Sending.Lent;
  }

  /**
   * Ends that. The bytes of the pipe, which is released, are sent before all later writes: the promise of
   * that, or `null` if there are none.
   */
  takeBack(pipe: Pipe): Promise<void> | null {
    this.#sending = Sending.Open;
    if (pipe.held === 0) {
      pipe.release();
      return null;
    }
    const refusal = this.refusal();
    if (refusal !== null) {
      pipe.release();
      return refusal;
    }
    this.#sink.atTickEnd();
    return this.#queuePipe(pipe);
  }

  /** Before anything is to be sent. It may run user code, a setter of the counts of a pump. */
  #regain(): void {
    if (this.#sending === Sending.Lent) this.#sink.regain();
  }

  /** The socket, if bytes can go there past this writer: it is open, and has nothing to send; else -1. */
  get passage(): number {
    const isReady = this.#isOpen() && this.#chain === null && !this.#isQueued();
    return isReady && !this.isEnding && !this.isEnded && !this.isClosed ? this.fd : -1;
  }

  /** The kernel has taken bytes past this writer. `failure` is the errno behind them, or 0. */
  onPassed(bytes: number, failure: number): void {
    this.sent += bytes;
    this.#sink.countSent(bytes);
    // A read would find EOF in its place.
    if (failure !== 0 && !isNoRoom(failure)) this.#sink.failure = failure;
  }

  // `Sender`: the batch calls these while it is flushing, but for `onSendError`.

  onSent(rest: Uint8Array | null, result: number): void {
    const chain = this.#chain;
    if (chain !== null) this.sent += chain.bytes - (rest === null ? 0 : rest.length);
    if (rest !== null && chain !== null) this.#ownQueue().prepend(rest, chain.done);
    // Only now: if there is no memory for the queue, the promise is rejected with the stream.
    this.#chain = null;
    if (rest === null) {
      this.checkLowWatermark();
      this.#release();
    } else if (this.#provesFull(result)) this.#block(result);
    else this.#sink.continueLater();
  }

  onSendFailed(): this {
    this.#sending = Sending.Failed;
    return this;
  }

  onSendError(error: unknown): void {
    if (typeof error === 'number') this.owner.onWriteError(error);
    else this.owner.onFailure(error as Error);
  }

  /** The event that ends the state blocked: room, a connection, or the retry. */
  onWritable(): void {
    if (this.isClosed || this.#sending !== Sending.Blocked) return;
    this.#sending = Sending.Open;
    this.#pump();
  }

  onContinue(): void {
    if (this.#sending === Sending.Open) this.#pump();
  }

  /** Sends the queue. The batch, with the writes before it, has been sent. */
  onTickEnd(): void {
    this.#queue?.endTick();
    this.#refusal = null;
    if (this.#sending === Sending.Open && !this.isClosed && this.#isQueued()) this.#pump();
  }

  // A method: a private getter is a call of the runtime in V8 (docs/design.md).
  #isQueued(): boolean {
    return this.#queue !== null && !this.#queue.isEmpty;
  }

  /** Encodes into the slab, without a buffer between, if the text is short for certain. */
  #writeString(text: string): Place {
    const batch = this.#batch;
    // A UTF-16 unit takes at most three bytes.
    const most = 3 * text.length;
    if (text.length === 0 || most > batch.smallPiece || most > this.#headroom()) {
      return this.#writeBytes(Buffer.from(text));
    }
    if (!this.#canStage(most)) return this.#writeBytes(Buffer.from(text));
    this.#queueFlush();
    return this.#staged(batch.writeString(this, this.#chain, text));
  }

  #writeBytes(bytes: Uint8Array): Place {
    const { length } = bytes;
    const batch = this.#batch;
    if (!this.#hasRoom(length)) return REFUSED;
    if (length > batch.smallPiece) return this.#writeLarge([bytes], length);
    if (!this.#canStage(length)) return this.#enqueue([bytes], length > 0);
    // An empty piece is sent when everything before it is.
    if (length === 0) return this.#chain;
    this.#queueFlush();
    return this.#staged(batch.write(this, this.#chain, bytes));
  }

  #writeAll(list: readonly Data[]): Place {
    // Each is asked for once: an array may compute its elements.
    const few = [...list];
    const most = mostOf(few);
    const isSmall = most > 0 && most <= this.#batch.smallPiece && most <= this.#headroom();
    if (isSmall && this.#canStage(most)) return this.#stageAll(few);
    return this.#putAll(few);
  }

  /** Small pieces, one after the other: they are adjacent, and leave as one. */
  #stageAll(list: readonly Data[]): Chain {
    this.#queueFlush();
    const batch = this.#batch;
    let chain = this.#chain;
    for (const piece of list) {
      if (typeof piece !== 'string') chain = batch.write(this, chain, piece as Uint8Array);
      else if (piece.length > 0) chain = batch.writeString(this, chain, piece);
    }
    // There was a byte at least.
    return this.#staged(chain as Chain);
  }

  #putAll(list: readonly Data[]): Place {
    const pieces = Array.from(list, bytesOf);
    const total = pieces.reduce((sum, { length }) => sum + length, 0);
    if (total <= this.#batch.smallPiece) return this.#writeBytes(Buffer.concat(pieces));
    // All or nothing, with one promise.
    if (!this.#hasRoom(total)) return REFUSED;
    return this.#writeLarge(pieces, total);
  }

  /**
   * A write with large pieces, which waits for the end of the tick. Very large ones, and borrowed ones, are
   * sent at once: their bytes are in the processor's cache, and a borrowed one need not be copied.
   */
  #writeLarge(pieces: readonly Uint8Array[], total: number): Place {
    const isBorrowed = pieces.some(isOfRoom);
    const isNow = (total >= AT_ONCE || isBorrowed) && this.#isOpen() && !this.#isQueued();
    return isNow ? this.#sendNow(pieces, isBorrowed) : this.#enqueue(pieces, false);
  }

  /** @throws The error of the stream, when sending has closed it. */
  #sendNow(pieces: readonly Uint8Array[], isBorrowed: boolean): Mark | null {
    const queue = this.#ownQueue();
    const { smallPiece } = this.#batch;
    for (const piece of pieces) {
      if (piece.length <= smallPiece) queue.copy(piece);
      else queue.refer(piece);
    }
    const mark = queue.mark(false);
    this.#pumpHeld();
    if (this.isClosed) throw this.owner.closedError();
    if (queue.isEmpty) {
      this.#release();
      return null;
    }
    if (isBorrowed) queue.keep(isOfRoom);
    this.checkHighWatermark();
    return mark;
  }

  /**
   * Whether a piece can go to the batch: there is room, and nothing is queued before it.
   *
   * @throws The error of the stream, when the flush that makes room has closed it.
   */
  #canStage(length: number): boolean {
    if (this.#sending !== Sending.Open || this.#isQueued()) return false;
    const batch = this.#batch;
    if (batch.hasRoom(length)) return true;
    this.#flushHeld();
    if (this.isClosed) throw this.owner.closedError();
    return this.#isOpen() && !this.#isQueued() && batch.hasRoom(length);
  }

  // For the compiler, which takes a state that it has seen for the one after a call, too.
  #isOpen(): boolean {
    return this.#sending === Sending.Open;
  }

  #headroom(): number {
    return this.limits.maxBufferSize - this.held;
  }

  /** Whether the limit allows a write. A small one that would be queued adds its cost, an empty one none. */
  #hasRoom(length: number): boolean {
    if (this.limits.maxBufferSize === Infinity) return true;
    const isSmall = length > 0 && length <= this.#batch.smallPiece;
    const cost = isSmall && this.#isQueued() ? SMALL_WRITE_COST : 0;
    return length + cost <= this.#headroom();
  }

  /** One rejection per tick: a million refused writes cost little. */
  #refuse(): Promise<void> {
    this.#sink.atTickEnd();
    return (this.#refusal ??= Promise.reject(bufferFull('write', this.limits.maxBufferSize)));
  }

  /** Before the first piece goes to the batch: scheduling throws when the call stack is full. */
  #queueFlush(): void {
    if (this.#chain === null) this.#sink.queueFlush();
  }

  /** After a write to the batch. */
  #staged(chain: Chain): Chain {
    this.#chain = chain;
    this.checkHighWatermark();
    return chain;
  }

  /** Adds one write to the queue. Its small pieces are copied, as documented, and those that are borrowed. */
  #enqueue(pieces: readonly Uint8Array[], isSmall: boolean): Mark {
    this.#regain();
    if (this.isClosed) throw this.owner.closedError();
    const queue = this.#ownQueue();
    const { smallPiece } = this.#batch;
    for (const piece of pieces) {
      if (piece.length <= smallPiece || isOfRoom(piece)) queue.copy(piece);
      else queue.refer(piece);
    }
    this.checkHighWatermark();
    // Sent after the batch, at the end of the tick.
    this.#sink.atTickEnd();
    return queue.mark(isSmall);
  }

  /** The queue, which most streams never need. */
  #ownQueue(): SendQueue {
    return (this.#queue ??= new SendQueue());
  }

  /** {@link #pump} in the middle of a call of a writer. */
  #pumpHeld(): void {
    const wasHeld = isHeld;
    isHeld = true;
    try {
      this.#pump();
    } finally {
      isHeld = wasHeld;
    }
  }

  /** Sends the queue, until it is empty, the kernel is full, or the budget of the turn is spent. */
  #pump(): void {
    if (this.#chain !== null) this.#flushHeld();
    if (this.isClosed) return;
    const queue = this.#queue;
    if (queue !== null) {
      try {
        this.#send(queue);
      } catch (error) {
        queue.settle(Infinity);
        this.owner.onFailure(error as Error);
      }
      if (this.isClosed) return;
      if (!queue.settle(SETTLED_PER_TURN)) this.#sink.continueLater();
    }
    this.checkLowWatermark();
    this.#finishIfSent();
    this.#release();
  }

  #send(queue: SendQueue): void {
    const { mode, sendBudget } = this.#sink;
    for (let budget = sendBudget; this.#isOpen() && queue.bytes > 0;) {
      if (budget <= 0) {
        this.#sink.continueLater();
        return;
      }
      const count = queue.send(this.fd, mode, Math.min(budget, sendBudget));
      if (count < 0 && !isNoRoom(count)) {
        // The writes before the failure are sent: they resolve.
        queue.settle(Infinity);
        this.owner.onWriteError(count);
        return;
      }
      if (count > 0) {
        queue.advance(count);
        this.sent += count;
        this.#sink.countSent(count);
        this.owner.onProgress();
      }
      // It follows the bytes: the kernel does not report it again.
      if (queue.failure !== 0) continue;
      if (count < queue.offered && this.#provesFull(count)) this.#block(count);
      budget -= count;
    }
  }

  /**
   * Whether an event will report room: after `EAGAIN`, and after a socket took less than it was
   * offered. A terminal may take less because of a signal, and then reports nothing.
   */
  #provesFull(result: number): boolean {
    return result <= 0 || !this.#sink.isFile;
  }

  /** The kernel has no room. Out of memory, it reports no event: time is what is left. */
  #block(result: number): void {
    this.#sending = Sending.Blocked;
    if (!isNoMemory(result)) {
      this.#sink.onFull();
      return;
    }
    const sink = this.#sink;
    this.owner.retryLater(() => {
      // Meanwhile it may serve another connection.
      if (this.#sink === sink) this.onWritable();
    });
  }

  /** Nothing waits: the writer serves other connections, if its owner forgets it. */
  #release(): void {
    if (isHeld) return;
    const isIdle = this.isQuiet && this.#chain === null && this.#isOpen() && !this.#isQueued();
    if (!isIdle || this.#refusal !== null || spareCount === MOST_SPARES) return;
    const sink = this.#sink;
    if (!this.owner.forgets(this)) return;
    sink.sent = this.sent;
    this.#queue = null;
    // What is kept does not lead to connections.
    this.owner = NO_OWNER;
    this.#sink = NOWHERE;
    spares[spareCount] = this;
    spareCount += 1;
  }

  /** FIN follows the last byte. */
  #finishIfSent(): void {
    if (this.#chain === null && this.#isOpen() && !this.#isQueued()) this.finish();
  }
}

/** Whether bytes are borrowed: their memory is used again when the running code is done. */
function isOfRoom(bytes: Uint8Array): boolean {
  return borrowedRoom.has(bytes);
}

/** The most bytes that a list of strings and bytes may have; 0 if there are none, or something else. */
function mostOf(list: readonly Data[]): number {
  let most = 0;
  for (const piece of list) {
    if (typeof piece === 'string') most += 3 * piece.length;
    else if (piece instanceof Uint8Array && piece.length > 0) most += piece.length;
    else return 0;
  }
  return most;
}

/** The result of a write: its sender, and its promise once that is wanted. */
type Place = Chain | Mark | null | typeof REFUSED;

/** Bytes from which a write is sent at once: it would not stay in the cache until the end of the tick. */
const AT_ONCE = 32 * 1024;

/** `maxWriteBufferSize` would be exceeded. */
const REFUSED = 0;

/** Writes whose promises resolve in one turn, about. Each may have a reaction. */
const SETTLED_PER_TURN = 4096;

/** Spare writers, for the next connections that have something to send. */
const spares: (FdWriter | null)[] = [];
/** The first so many of {@link spares} are free; the array keeps its length, which is cheaper. */
let spareCount = 0;
/** The messages of a turn, about: 150 kB. */
const MOST_SPARES = 1024;
/** A call of a writer is running, which must not be given away. */
let isHeld = false;
/** In the place of the owner and the sink of a spare writer, which nothing calls. */
const NO_OWNER = {} as WriterOwner;
const NOWHERE = {} as FdSink;
