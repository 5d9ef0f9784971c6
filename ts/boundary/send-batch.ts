/**
 * What the streams of a loop have written since it was last sent: one crossing sends it all.
 *
 * The layout is that of `crates/ioloop-napi/src/transfer.rs`. Small pieces are copied to a slab, as
 * one copy is cheaper than handing over an object for each; the pieces of one stream are chained
 * and leave in one system call.
 */
import { constants } from 'node:os';
import { native } from './native.js';

const { RECORD_WORDS } = native;

/** The writer of a chain. */
export interface Sender {
  /** The descriptor at this moment; -1 once it is closed. */
  readonly fd: number;
  readonly mode: number;
  /**
   * Its chain was offered: `rest` is `null` when all is sent, else a copy of what is not, and
   * `result` what the kernel said. Called within {@link SendBatch.flush}: runs no other code.
   */
  onSent(rest: Uint8Array | null, result: number): void;
  /** Its chain could not be sent. Called within the flush too: holds back what comes next. */
  onSendFailed(): void;
  /** The same when the batch is free again: a negative errno, or what the flush has thrown. */
  onSendError(error: unknown): void;
}

/** As documented: it does not depend on how much a batch holds. */
const SMALL_PIECE = 4096;

/** A sender without a chain has this one. */
export const NO_CHAIN = -1;

/**
 * The pieces that wait, and the slab they lie in. A chain is known by its first record. The
 * descriptor is asked for when the chain is sent: a number that was noted before may be another
 * file's by then.
 */
export class SendBatch {
  /** Pieces up to this size are copied, here or to a queue; larger ones are sent from where they are. */
  readonly smallPiece = SMALL_PIECE;
  readonly #slab: Buffer;
  readonly #records: Int32Array;
  readonly #maxRecords: number;
  /** By the first record of a chain: its sender, its last record, and its bytes. */
  readonly #senders: (Sender | null)[] = [];
  readonly #lasts: Int32Array;
  readonly #totals: Int32Array;
  /** Bytes of the slab in use. */
  #used = 0;
  /** Records in use. */
  #count = 0;
  #flushing = false;
  readonly #failed: Failure[] = [];
  readonly #report: (error: unknown) => void;

  /** Holds `bytes` bytes in at most `records` records. `report` is for errors of senders. */
  constructor(bytes: number, records: number, report: (error: unknown) => void) {
    this.#slab = Buffer.allocUnsafeSlow(bytes);
    this.#records = new Int32Array(RECORD_WORDS * records);
    this.#lasts = new Int32Array(records);
    this.#totals = new Int32Array(records);
    this.#maxRecords = records;
    this.#report = report;
  }

  /** Whether a piece of this size fits; {@link flush} makes room. */
  hasRoom(length: number): boolean {
    return this.#used + length <= this.#slab.length && this.#count < this.#maxRecords;
  }

  /** Copies bytes to the end of `chain`, for which there is room: the chain. */
  write(sender: Sender, chain: number, bytes: Uint8Array): number {
    this.#slab.set(bytes, this.#used);
    return this.#add(sender, chain, bytes.length);
  }

  /** The same for a string, as UTF-8; there has to be room for three bytes per character. */
  writeString(sender: Sender, chain: number, text: string): number {
    return this.#add(sender, chain, this.#slab.write(text, this.#used, 'utf8'));
  }

  /** The bytes of a chain. */
  sizeOf(chain: number): number {
    return chain === NO_CHAIN ? 0 : (this.#totals[chain] as number);
  }

  /** Sends nothing of this chain. */
  cancel(chain: number): void {
    if (chain !== NO_CHAIN) this.#senders[chain] = null;
  }

  /**
   * Sends every chain, and notifies its sender. A failure is its sender's alone: the other chains
   * are sent. Senders are notified of failures once the batch is free again; a nested call before
   * that does nothing.
   */
  flush(): void {
    if (this.#count === 0 || this.#flushing) return;
    this.#flushing = true;
    try {
      this.#send();
    } catch (error) {
      // Nothing is known of what was sent.
      for (let at = 0; at < this.#count; at += 1) this.#fail(at, error);
    }
    for (let at = 0; at < this.#count; at += 1) this.#settle(at);
    this.#used = 0;
    this.#count = 0;
    this.#flushing = false;
    if (this.#failed.length > 0) this.#announce();
  }

  /** The batch is free again: whatever these run may write, flush and close. */
  #announce(): void {
    for (const { sender, error } of this.#failed.splice(0)) {
      try {
        sender.onSendError(error);
      } catch (failure) {
        this.#report(failure);
      }
    }
  }

  #send(): void {
    const records = this.#records;
    const senders = this.#senders;
    const count = this.#count;
    for (let at = 0; at < count; at += 1) {
      const sender = senders[at] ?? null;
      records[at * RECORD_WORDS + FD] = sender === null ? -1 : sender.fd;
      records[at * RECORD_WORDS + MODE] = sender === null ? 0 : sender.mode;
    }
    native.sendBatch(records, count, this.#slab);
  }

  /** Notifies the sender of the chain that begins at a record, if one does. */
  #settle(at: number): void {
    const sender = this.#senders[at] ?? null;
    if (sender === null) return;
    const result = this.#records[at * RECORD_WORDS] as number;
    const total = this.#totals[at] as number;
    try {
      if (result < 0 && !isNoRoom(result)) {
        this.#fail(at, result);
        return;
      }
      this.#senders[at] = null;
      // What the slab holds is copied before anything else can write to it.
      sender.onSent(result === total ? null : this.#unsent(at, Math.max(result, 0), total), result);
    } catch (error) {
      this.#senders[at] = sender;
      this.#fail(at, error);
    }
  }

  #fail(at: number, error: unknown): void {
    const sender = this.#senders[at] ?? null;
    if (sender === null) return;
    this.#senders[at] = null;
    sender.onSendFailed();
    this.#failed.push({ sender, error });
  }

  /** The `length` bytes behind those in use are this sender's. */
  #add(sender: Sender, chain: number, length: number): number {
    const used = this.#used;
    this.#used = used + length;
    if (chain === NO_CHAIN) return this.#begin(sender, used, length);
    const records = this.#records;
    const last = this.#lasts[chain] as number;
    this.#totals[chain] = (this.#totals[chain] as number) + length;
    if (last === this.#count - 1) {
      // Adjacent to its last piece.
      const word = last * RECORD_WORDS + LENGTH;
      records[word] = (records[word] as number) + length;
      return chain;
    }
    const record = this.#record(null, used, length);
    records[last * RECORD_WORDS + NEXT] = record;
    this.#lasts[chain] = record;
    return chain;
  }

  #begin(sender: Sender, offset: number, length: number): number {
    const record = this.#record(sender, offset, length);
    this.#lasts[record] = record;
    this.#totals[record] = length;
    return record;
  }

  #record(sender: Sender | null, offset: number, length: number): number {
    const record = this.#count;
    const at = record * RECORD_WORDS;
    this.#records[at + OFFSET] = offset;
    this.#records[at + LENGTH] = length;
    this.#records[at + NEXT] = -1;
    this.#senders[record] = sender;
    this.#count = record + 1;
    return record;
  }

  /** A copy of a chain from its `skip`th byte on, which were not sent. */
  #unsent(chain: number, skip: number, total: number): Buffer {
    const rest = Buffer.allocUnsafe(total - skip);
    const records = this.#records;
    let filled = 0;
    let skipped = skip;
    for (let record = chain; record >= 0;) {
      const at = record * RECORD_WORDS;
      const offset = records[at + OFFSET] as number;
      const length = records[at + LENGTH] as number;
      const cut = Math.min(skipped, length);
      filled += this.#slab.copy(rest, filled, offset + cut, offset + length);
      skipped -= cut;
      record = records[at + NEXT] as number;
    }
    return rest;
  }
}

interface Failure {
  readonly sender: Sender;
  readonly error: unknown;
}

/** Whether a send has failed for want of room, and may succeed later. */
export function isNoRoom(result: number): boolean {
  return result === -EAGAIN || isNoMemory(result);
}

/** Whether the kernel is short of memory: there is no event when it has some again. */
export function isNoMemory(result: number): boolean {
  return result === -ENOBUFS || result === -ENOMEM;
}

const { EAGAIN, ENOBUFS, ENOMEM } = constants.errno;
const FD = 0;
const MODE = 1;
const OFFSET = 2;
const LENGTH = 3;
const NEXT = 4;
