/**
 * The lane of this thread to a loop of any thread: posts as records in shared memory, whose layout is
 * that of `crates/ioloop/src/lane.rs`. A post that has room needs no crossing.
 *
 * | A post | |
 * | --- | --- |
 * | compact, the memory has room | is written behind the last one, and accepted by a swap of the state |
 * | compact, the memory is full | the memory is emptied by a crossing, and the post written to it |
 * | not compact, or large | a crossing, which empties the memory as well |
 * | with ports, shared memory or a transfer | goes by the carrier of the lane, and is such a crossing |
 *
 * The first post after the loop has collected the lane wakes it, by a crossing.
 */
import type { Transferable } from 'node:worker_threads';
import { closedLoop, inboxFull } from '../support/errors.js';
import { SendingCarrier } from './carrier.js';
import { native } from './native.js';
import type { NativeReplies } from './posts.js';
import { HEADER, padded } from './records.js';
import { transferListOf } from './transfers.js';
import {
  CARRIED,
  CARRIED_BYTES,
  COMPACT_BYTES,
  newRoom,
  roomOf,
  type Room,
} from './value-layout.js';
import { weigh } from './value-weight.js';
import { FAILED, ValueWriter } from './value-writer.js';

const { LANE_ARMED, LANE_DRAINED, LANE_ONE_RECORD, LANE_RECORDS, LANE_REFUSED, LANE_STATE } =
  native;
const { LANE_UNITS } = native;

type NativeLane = Exclude<ReturnType<typeof native.laneOpen>, number>;

/** Bytes of records that a lane has room for. */
const LANE_BYTES = 64 * 1024;
/** Bytes of a unit of the state. */
const UNIT = 8;

/** Of this thread: a list of values is posted before the next one is written. */
const writer = new ValueWriter();
/** For hosts whose lanes have no memory. */
let scratch: Room | null = null;

/** One for each loop that this thread posts to. */
export class Lane {
  /** Names the lane among those of this thread. */
  readonly number: number;
  readonly #native: NativeLane;
  readonly #thread: number;
  readonly #loop: number;
  /** What is left when the lane is garbage. */
  readonly remains: { carrier: SendingCarrier | null } = { carrier: null };
  readonly #limit: number;
  /** The memory of the records; without any, each post is a crossing. */
  readonly #room: Room | null;
  readonly #words: Int32Array;
  /** As the memory has it, unless the loop was closed. */
  #state = 0;
  /** Posts that were accepted, wrapping. */
  #posted = 0;
  /** Posts that are accepted before {@link #refresh} has to look how many wait. */
  #left = 0;

  /**
   * To the loop of an id, which belongs to `thread`.
   *
   * @throws `ERR_IOLOOP_CLOSED` if no open loop has this id.
   */
  constructor(loop: number, thread: number, replies: NativeReplies, number: number) {
    const opened = native.laneOpen(loop, LANE_BYTES, replies.handle, number);
    if (typeof opened === 'number') throw closedLoop();
    this.number = number;
    this.#thread = thread;
    this.#loop = loop;
    this.#native = opened;
    this.#limit = native.laneLimit(opened);
    const memory = native.laneMemory(opened);
    this.#words = new Int32Array(memory ?? new ArrayBuffer(4 * LANE_RECORDS));
    this.#room = memory === null ? null : roomOf(Buffer.from(memory, 4 * LANE_RECORDS));
  }

  /** Whether the loop was closed. */
  get isClosed(): boolean {
    return Atomics.load(this.#words, LANE_STATE) < 0;
  }

  /**
   * The index of a function; `null` if the loop does not expose it.
   *
   * @throws `ERR_IOLOOP_CLOSED`.
   */
  resolve(name: string): number | null {
    const index = native.laneResolve(this.#native, name);
    if (index >= 0) return index;
    if (index === CLOSED) throw closedLoop();
    return null;
  }

  /**
   * Posts a call, whose reply has the number `call`; 0 for none.
   *
   * @throws `ERR_IOLOOP_CLOSED`, `ERR_IOLOOP_INBOX_FULL`, `ERR_IOLOOP_NOT_CLONEABLE`: it is not
   * posted.
   */
  post(index: number, call: number, values: readonly unknown[]): void {
    // Below 0 if a getter of a value has posted.
    if (this.#left <= 0) this.#refresh();
    const list = transferListOf(values);
    if (list !== null) {
      this.#carry(index, call, values, list);
    } else if (this.#room === null || !this.#write(this.#room, index, call, values)) {
      this.#append(index, call, values);
    }
    this.#posted = (this.#posted + 1) | 0;
    this.#left -= 1;
  }

  /** False if the post is not compact. */
  #write(room: Room, index: number, call: number, values: readonly unknown[]): boolean {
    const { length } = room.bytes;
    let state = this.#state;
    let at = UNIT * (state & LANE_UNITS);
    let end = writer.write(values, room, at + HEADER, Math.min(length, at + COMPACT_BYTES));
    if (end === FAILED) {
      if (at + COMPACT_BYTES <= length) return false;
      this.#check(native.laneFlush(this.#native));
      this.#state = state = at = 0;
      end = writer.write(values, room, HEADER, COMPACT_BYTES);
      if (end === FAILED) return false;
    }
    const { view } = room;
    view.setUint32(at, index, true);
    view.setUint32(at + 4, call, true);
    view.setUint32(at + 8, end - at - HEADER, true);
    const next = state + LANE_ONE_RECORD + (padded(end) - at) / UNIT;
    const words = this.#words;
    const before = Atomics.compareExchange(words, LANE_STATE, state, next);
    if (before !== state) {
      if (before < 0) throw closedLoop();
      // A getter of a value has posted, which has emptied the memory.
      return false;
    }
    this.#state = next;
    if (Atomics.load(words, LANE_ARMED) === 1) native.laneWake(this.#native);
    return true;
  }

  #append(index: number, call: number, values: readonly unknown[]): void {
    let { bytes } = (scratch ??= newRoom(COMPACT_BYTES));
    // Without a memory, the writer has not tried yet.
    let length = this.#room === null ? writer.write(values, scratch, 0, COMPACT_BYTES) : FAILED;
    if (length === FAILED) {
      const cloned = writer.clone(values);
      if (cloned === null) {
        this.#carry(index, call, values, []);
        return;
      }
      ({ length } = bytes = cloned);
    }
    this.#appendBytes(index, call, bytes, length, 0);
  }

  /** For what `v8.serialize()` refuses, and for transfers. */
  #carry(
    index: number,
    call: number,
    values: readonly unknown[],
    list: readonly Transferable[],
  ): void {
    // Before the transfer, which empties the buffers.
    const { bytes: elsewhere } = weigh(values);
    // Asks whether the post will be accepted: what is transferred does not come back.
    this.#check(native.laneFlush(this.#native));
    this.#state = 0;
    const carrier = (this.remains.carrier ??= new SendingCarrier(
      this.#thread,
      this.#loop,
      this.number,
    ));
    const { bytes, view } = newRoom(CARRIED_BYTES);
    bytes[0] = CARRIED;
    view.setFloat64(1, carrier.send(values, list), true);
    view.setFloat64(9, carrier.id, true);
    this.#appendBytes(index, call, bytes, CARRIED_BYTES, elsewhere);
  }

  /** `elsewhere` bytes wait with the post, and not in the lane. */
  #appendBytes(
    index: number,
    call: number,
    bytes: Buffer,
    length: number,
    elsewhere: number,
  ): void {
    this.#check(native.laneAppend(this.#native, index, call, bytes, length, elsewhere));
    this.#state = 0;
  }

  /** @throws `ERR_IOLOOP_INBOX_FULL` if the loop has not taken as many posts as may wait. */
  #refresh(): void {
    const drained =
      this.#room === null
        ? native.laneDrained(this.#native)
        : Atomics.load(this.#words, LANE_DRAINED);
    this.#left = this.#limit - ((this.#posted - drained) | 0);
    if (this.#left > 0) return;
    if (this.isClosed) throw closedLoop();
    this.#refuse();
  }

  #refuse(): never {
    Atomics.add(this.#words, LANE_REFUSED, 1);
    throw inboxFull();
  }

  #check(result: number): void {
    if (result >= 0) return;
    if (result === CLOSED) throw closedLoop();
    this.#refuse();
  }
}

/** `-EBADF`, in all systems. */
const CLOSED = -9;
