/**
 * What the streams of a loop have written since it was last sent: one crossing sends it all.
 *
 * The layout is that of `crates/ioloop-napi/src/transfer.rs`. Small pieces are copied to a slab, as
 * one copy is cheaper than handing over an object for each; the pieces of one stream are chained
 * and leave in one system call.
 */
import { native } from '../native.js';

const { RECORD_WORDS } = native;

/** Who wrote a record. */
export interface Sender {
  readonly fd: number;
  readonly mode: number;
  /** Bytes sent of all its pieces, or a negative errno. */
  onSent(result: number): void;
}

/** The pieces that wait, and the slab they lie in. */
export class SendBatch {
  readonly slab: Buffer;
  readonly records: Int32Array;
  /** Pieces up to this size are copied; larger ones are sent from where they are. */
  readonly smallPiece: number;
  readonly #maxRecords: number;
  readonly #senders: (Sender | null)[] = [];
  /** Bytes of the slab in use. */
  used = 0;
  /** Records in use. */
  count = 0;
  #flushing = false;

  /** Holds `bytes` bytes in at most `records` records. */
  constructor(bytes: number, records: number) {
    this.slab = Buffer.allocUnsafeSlow(bytes);
    this.smallPiece = Math.floor(bytes / 64);
    this.records = new Int32Array(RECORD_WORDS * records);
    this.#maxRecords = records;
  }

  /** Whether a piece of this size fits; {@link flush} makes room. */
  hasRoom(length: number): boolean {
    return this.used + length <= this.slab.length && this.count < this.#maxRecords;
  }

  /**
   * Adds the `length` bytes that were written at {@link used}. `last` is the sender's last record,
   * or -1 when it has none in this batch. Gives the record that they are in.
   */
  add(sender: Sender, last: number, length: number): number {
    const { records, count, used } = this;
    this.used = used + length;
    if (last >= 0 && last === count - 1) {
      // Right behind its last piece.
      records[last * RECORD_WORDS + LENGTH] =
        (records[last * RECORD_WORDS + LENGTH] as number) + length;
      return last;
    }
    const at = count * RECORD_WORDS;
    records[at + FD] = sender.fd;
    records[at + MODE] = last < 0 ? sender.mode : 0;
    records[at + OFFSET] = used;
    records[at + LENGTH] = length;
    records[at + NEXT] = -1;
    if (last >= 0) records[last * RECORD_WORDS + NEXT] = count;
    this.#senders[count] = last < 0 ? sender : null;
    this.count = count + 1;
    return count;
  }

  /** Sends nothing more of the chain that begins with this record: its descriptor is closed. */
  cancel(first: number): void {
    this.records[first * RECORD_WORDS + MODE] = 0;
    this.#senders[first] = null;
  }

  /** Sends it all, and tells the senders. Does nothing while it does so. */
  flush(): void {
    const { count, records } = this;
    if (count === 0 || this.#flushing) return;
    this.#flushing = true;
    native.sendBatch(records, count, this.slab);
    const senders = this.#senders;
    for (let at = 0; at < count; at += 1) {
      // What the slab holds is read by the senders, so it is in use until the last has been told.
      const sender = senders[at];
      senders[at] = null;
      sender?.onSent(records[at * RECORD_WORDS] as number);
    }
    this.used = 0;
    this.count = 0;
    this.#flushing = false;
  }

  /** The bytes of a chain from its `skip`th on, which were not sent. */
  unsent(first: number, skip: number, total: number): Buffer {
    const rest = Buffer.allocUnsafe(total - skip);
    let filled = 0;
    let skipped = skip;
    for (let record = first; record >= 0;) {
      const at = record * RECORD_WORDS;
      const offset = this.records[at + OFFSET] as number;
      const length = this.records[at + LENGTH] as number;
      const cut = Math.min(skipped, length);
      filled += this.slab.copy(rest, filled, offset + cut, offset + length);
      skipped -= cut;
      record = this.records[at + NEXT] as number;
    }
    return rest;
  }
}

const FD = 0;
const MODE = 1;
const OFFSET = 2;
const LENGTH = 3;
const NEXT = 4;
