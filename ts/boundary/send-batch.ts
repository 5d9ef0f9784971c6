/**
 * The small writes of all streams of a loop, until the turn or the tick ends: one crossing sends them.
 *
 * Small pieces are copied to a slab, because one copy is cheaper than passing an object for each.
 * The pieces of one stream form a chain, which leaves in one system call. The layout of the records
 * is that of `crates/ioloop-napi/src/io/send.rs`.
 *
 * A batch has three states. Senders are called in the first two, and may run user code in the first only:
 *
 * | State | `write` | `flush` | Senders are notified by |
 * | --- | --- | --- | --- |
 * | collecting | starts or extends a chain | sends all chains, then collects again | `onSendError`, of the flush before |
 * | flushing | none: no other code runs | does nothing | `onSent`, `onSendFailed` |
 * | cut | none: the batch counts as full | notifies the other senders, then collects again | |
 *
 * A flush is cut where the call stack ends, by an exception. The flush that was queued goes on.
 */
import { constants } from 'node:os';
import { Deferred } from '../support/deferred.js';
import { native } from './native.js';

const {
  RECORD_WORDS,
  RECORD_MODE,
  RECORD_OFFSET,
  RECORD_LENGTH,
  RECORD_NEXT,
  RECORD_FD,
  RECORD_RESULT,
} = native;

const enum State {
  Collecting,
  Flushing,
  Cut,
}

/** The writer of a chain. */
export interface Sender {
  /** The descriptor at this moment; -1 once it is closed. */
  readonly fd: number;
  /** The `MODE_` bits of the descriptor. */
  readonly mode: number;
  /**
   * The kernel was offered the chain, which has left the batch. `rest` is a copy of the bytes that
   * it did not take: the promise of the chain is the sender's then. If `rest` is `null` all is sent,
   * and the promise is resolved. `result` is the number of bytes sent, `-EAGAIN`, `-ENOBUFS` or
   * `-ENOMEM`.
   *
   * Called while the batch is flushing: runs no user code, and writes nothing.
   */
  onSent(rest: Uint8Array | null, result: number): void;
  /**
   * Sending the chain has failed, and its promise is the sender's. Called while the batch is
   * flushing: holds back later writes, until the result gets the error.
   */
  onSendFailed(): FailedSender;
}

/** What has the writes of a chain that has failed. */
export interface FailedSender {
  /** The error, after the flush: a negative errno, or an exception. */
  onSendError(error: unknown): void;
}

/**
 * The pieces of one sender in a batch. When they are sent, the next sender gets the object: one for
 * each message, which a long-lived array and a writer refer to, would cost two write barriers.
 */
export class Chain {
  /**
   * The promise that the writes of the chain share: it resolves when the last byte is sent. `null`
   * until a writer makes it for a program that wants one.
   */
  done: Deferred | null = null;
  /** Bytes of all pieces. */
  bytes = 0;
  /** The first record. */
  first = 0;
  /** The last record so far. */
  last = 0;
  /** `null` once cancelled: none of it is sent, and no sender is notified. */
  sender: Sender | null = null;

  /** The promise, made when it is first wanted. */
  get promise(): Promise<void> {
    return (this.done ??= new Deferred()).promise;
  }
}

/** Bytes of a small piece, as documented. It does not depend on the capacity of a batch. */
export const SMALL_PIECE = 4096;

/** The chains of a loop, with their slab and records. */
export class SendBatch {
  /** Bytes. Pieces up to this size are copied; larger ones are sent from the caller's memory. */
  readonly smallPiece = SMALL_PIECE;
  readonly #slab: Buffer;
  readonly #records: Int32Array;
  readonly #maxRecords: number;
  /** More bytes than the slab has. */
  readonly #noRoom: number;
  /** The first {@link #chainCount} are in use; the others are for later. */
  readonly #chains: Chain[] = [];
  #chainCount = 0;
  /** Bytes of the slab in use. */
  #used = 0;
  /** Records in use. */
  #count = 0;
  #state = State.Collecting;
  /** While flushing: the chains whose senders were notified. */
  #settled = 0;
  /** Why nothing is known of what was sent; `undefined` if the kernel was offered everything. */
  #error: unknown = undefined;
  /** Bytes that the kernel has taken: those of a flush together, less what it has not. */
  #sent = 0;
  readonly #failures: Failure[] = [];
  readonly #report: (error: unknown) => void;

  /** Holds `bytes` bytes in at most `records` records. `report` is for errors of senders. */
  constructor(bytes: number, records: number, report: (error: unknown) => void) {
    this.#slab = Buffer.allocUnsafeSlow(bytes);
    this.#records = new Int32Array(RECORD_WORDS * records);
    this.#maxRecords = records;
    this.#noRoom = bytes + 1;
    this.#report = report;
  }

  /** Bytes that the kernel has taken. */
  get sent(): number {
    return this.#sent;
  }

  /** Senders with something to send, about. */
  get chains(): number {
    return this.#chainCount;
  }

  /** Whether a piece of `length` bytes fits; {@link flush} makes room. */
  hasRoom(length: number): boolean {
    return this.#used + length <= this.#slab.length && this.#count < this.#maxRecords;
  }

  /**
   * Copies `bytes`, for which there is room, to the end of `chain`, the sender's chain in this batch;
   * `null` starts one. The sender keeps the result until it is notified, or cancels it.
   */
  write(sender: Sender, chain: Chain | null, bytes: Uint8Array): Chain {
    this.#slab.set(bytes, this.#used);
    return this.#add(sender, chain, bytes.length);
  }

  /** As {@link write}, for a string as UTF-8; needs room for three bytes per UTF-16 unit. */
  writeString(sender: Sender, chain: Chain | null, text: string): Chain {
    return this.#add(sender, chain, this.#encode(text));
  }

  /** Writes a string to the slab. Returns the number of bytes. A few letters cost less than a call of V8. */
  #encode(text: string): number {
    const { length } = text;
    if (length > FEW) return this.#slab.write(text, this.#used, 'utf8');
    for (let at = 0; at < length; at += 1) {
      const unit = text.charCodeAt(at);
      if (unit > LAST_OF_ASCII) return this.#slab.write(text, this.#used, 'utf8');
      this.#slab[this.#used + at] = unit;
    }
    return length;
  }

  /** Takes a chain out of the batch, unsent. Its promise is the caller's. */
  cancel(chain: Chain): void {
    chain.sender = null;
  }

  /**
   * Sends every chain, and notifies each sender. A failure concerns its sender only; failed senders
   * get their error last, when the batch collects again. Not re-entrant: a nested call does nothing.
   */
  flush(): void {
    const hasWork = this.#count > 0 || this.#failures.length > 0;
    if (!hasWork || this.#state === State.Flushing) return;
    const isNew = this.#state === State.Collecting;
    let next: State = this.#state;
    this.#state = State.Flushing;
    try {
      if (isNew) {
        this.#address();
        next = State.Cut;
        this.#sent += this.#used;
        try {
          native.sendBatch(this.#records, this.#count, this.#slab);
        } catch (error) {
          // How much was sent is unknown.
          this.#error = error;
        }
      }
      this.#settleAll();
      next = State.Collecting;
    } finally {
      // Calls nothing: there may be no stack for it.
      this.#state = next;
      if (next === State.Cut) this.#used = this.#noRoom;
    }
    if (this.#failures.length > 0) this.#reportFailures();
  }

  /** The number of each sender is read only now: an earlier one may be another file's. */
  #address(): void {
    const records = this.#records;
    for (let at = 0; at < this.#chainCount; at += 1) {
      const { sender, first } = this.#chains[at] as Chain;
      records[first * RECORD_WORDS + RECORD_FD] = sender === null ? -1 : sender.fd;
      records[first * RECORD_WORDS + RECORD_MODE] = sender === null ? NOT_FIRST : sender.mode;
    }
  }

  /** Notifies the senders that were not, and empties the batch. */
  #settleAll(): void {
    while (this.#settled < this.#chainCount) {
      this.#settle(this.#chains[this.#settled] as Chain);
      this.#settled += 1;
    }
    for (let at = 0; at < this.#chainCount; at += 1) this.#recycle(at);
    this.#chainCount = this.#used = this.#count = this.#settled = 0;
    this.#error = undefined;
  }

  /** Acts on the result of a chain. */
  #settle(chain: Chain): void {
    const { sender, bytes } = chain;
    if (sender === null) {
      this.#sent -= bytes;
      return;
    }
    if (this.#error !== undefined) {
      this.#fail(chain, this.#error);
      return;
    }
    const result = this.#records[chain.first * RECORD_WORDS + RECORD_RESULT] as number;
    if (result < 0 && !isNoRoom(result)) {
      this.#fail(chain, result);
      this.#sent -= bytes;
      return;
    }
    try {
      // A copy, before anything else is written to the slab.
      const rest = result === bytes ? null : this.#unsent(chain, Math.max(result, 0));
      if (rest === null) chain.done?.resolve();
      else this.#sent -= rest.length;
      sender.onSent(rest, result);
    } catch (error) {
      this.#fail(chain, error);
    }
  }

  #fail(chain: Chain, error: unknown): void {
    const { sender } = chain;
    if (sender === null) return;
    this.#failures.push({ sender: sender.onSendFailed(), error });
    chain.sender = null;
  }

  /** A chain that is settled is for the next sender. What is kept does not lead to streams, or to promises. */
  #recycle(at: number): void {
    const chain = this.#chains[at] as Chain;
    // Cancelled or failed: its sender may still have it.
    if (chain.sender === null) {
      this.#chains[at] = new Chain();
      return;
    }
    chain.sender = null;
    if (chain.done !== null) chain.done = null;
  }

  /** The batch collects again: senders may close, write and flush here. */
  #reportFailures(): void {
    for (const { sender, error } of this.#failures.splice(0)) {
      try {
        sender.onSendError(error);
      } catch (failure) {
        this.#report(failure);
      }
    }
  }

  /** Adds the `length` bytes after those in use, which were just copied, to the sender's chain. */
  #add(sender: Sender, chain: Chain | null, length: number): Chain {
    const offset = this.#used;
    this.#used = offset + length;
    if (chain === null) return this.#start(sender, offset, length);
    if (chain.last === this.#count - 1) {
      // Adjacent to the piece before.
      const word = chain.last * RECORD_WORDS + RECORD_LENGTH;
      this.#records[word] = (this.#records[word] as number) + length;
    } else {
      const record = this.#addRecord(offset, length);
      this.#records[chain.last * RECORD_WORDS + RECORD_NEXT] = record;
      chain.last = record;
    }
    chain.bytes += length;
    return chain;
  }

  #start(sender: Sender, offset: number, length: number): Chain {
    const chain = this.#nextChain();
    chain.sender = sender;
    chain.bytes = length;
    chain.first = chain.last = this.#addRecord(offset, length);
    this.#chainCount += 1;
    return chain;
  }

  #nextChain(): Chain {
    const at = this.#chainCount;
    if (at === this.#chains.length) this.#chains.push(new Chain());
    return this.#chains[at] as Chain;
  }

  #addRecord(offset: number, length: number): number {
    const record = this.#count;
    const at = record * RECORD_WORDS;
    this.#records[at + RECORD_MODE] = NOT_FIRST;
    this.#records[at + RECORD_OFFSET] = offset;
    this.#records[at + RECORD_LENGTH] = length;
    this.#records[at + RECORD_NEXT] = -1;
    this.#count = record + 1;
    return record;
  }

  /** A copy of the bytes of a chain after the first `sent`. */
  #unsent(chain: Chain, sent: number): Buffer {
    const rest = Buffer.allocUnsafe(chain.bytes - sent);
    const records = this.#records;
    let filled = 0;
    let skipped = sent;
    for (let record = chain.first; record >= 0;) {
      const at = record * RECORD_WORDS;
      const offset = records[at + RECORD_OFFSET] as number;
      const length = records[at + RECORD_LENGTH] as number;
      const cut = Math.min(skipped, length);
      filled += this.#slab.copy(rest, filled, offset + cut, offset + length);
      skipped -= cut;
      record = records[at + RECORD_NEXT] as number;
    }
    return rest;
  }
}

interface Failure {
  readonly sender: FailedSender;
  readonly error: unknown;
}

/** Whether a send has failed for lack of room or of memory, and may succeed later. */
export function isNoRoom(result: number): boolean {
  return result === -EAGAIN || isNoMemory(result);
}

/** Whether the kernel is out of memory, and reports no event when it has some again. */
export function isNoMemory(result: number): boolean {
  return result === -ENOBUFS || result === -ENOMEM;
}

/** Seconds after which a send that has failed for lack of memory is tried again. */
export const NO_MEMORY_RETRY = 0.01;

const { EAGAIN, ENOBUFS, ENOMEM } = constants.errno;

const FEW = 16;
const LAST_OF_ASCII = 0x7f;

/** The mode of a record that is not the first of its chain, or whose chain is cancelled. */
const NOT_FIRST = 0;
