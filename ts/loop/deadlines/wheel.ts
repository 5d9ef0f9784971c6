/**
 * The wheel of a set of deadlines: levels of slots for the future, a sorted front for the present, as
 * the core's (`crates/ioloop/src/timer`), in memory that JavaScript writes.
 *
 * A touch writes a new deadline and nothing else: the entry stays in its slot. When the slot is
 * reached, an entry whose deadline is later is put into another slot. So an entry is moved at most a
 * few times per duration, however often it is touched.
 *
 * A tick is 1/1024 s. A tick is read as digits of five bits; the level of an entry is the highest
 * digit in which its tick and the cursor differ. Levels cover a block of 2^30 ticks (12 days); what is
 * in another block overflows, and is looked at again when the cursor enters the next block.
 */
import { Front } from './front.js';
import { OVERFLOW, Records, SCATTER, SLOT_LISTS } from './records.js';

const TICKS_PER_SECOND = 1024;
const BLOCK = 2 ** 30;
const LEVEL_BITS = 5;
const LEVELS = 6;
/** Ticks are exact integers, also for deadlines that are infinite. */
const LAST_TICK = 2 ** 52;
/** The front may have as many stale handles as live ones, and these. */
const FEW = 64;

/** The number of a tick. */
function tickOf(seconds: number): number {
  const tick = Math.floor(seconds * TICKS_PER_SECOND);
  return Math.min(Math.max(tick, -LAST_TICK), LAST_TICK);
}

/** Entries by slot, in the order of their deadlines. */
export class DeadlineWheel {
  /** For touches, which do not move an entry. */
  readonly records = new Records();
  readonly #front = new Front();
  /** By level: bit n is set if slot n has entries. All slots lie ahead of the cursor. */
  readonly #occupied = new Int32Array(LEVELS);
  /** The first tick of the cursor's block, and the cursor in it. */
  #block = 0;
  #cursor = 0;
  /** Handles in the front whose entries are not there any more. */
  #stale = 0;

  constructor(now: number) {
    this.#moveTo(tickOf(now));
  }

  get size(): number {
    return this.records.size;
  }

  /** Adds an entry, and returns its slot. */
  add(deadline: number, duration: number): number {
    const records = this.records;
    const slot = records.take();
    records.renumber(slot);
    records.set(slot, deadline, duration);
    this.#place(slot, deadline);
    return slot;
  }

  /** Sets an entry again, which keeps its handle. */
  reset(slot: number, deadline: number, duration: number): void {
    this.#take(slot);
    this.records.set(slot, deadline, duration);
    this.#place(slot, deadline);
  }

  /** Sets an entry again, as the last of those with its deadline. Its handle is a new one. */
  set(slot: number, deadline: number, duration: number): void {
    this.#take(slot);
    this.records.renumber(slot);
    this.records.set(slot, deadline, duration);
    this.#place(slot, deadline);
  }

  /** Puts an entry off; see {@link Records.renew}. Returns whether it is due earlier than before. */
  renew(slot: number, now: number): boolean {
    const records = this.records;
    if (!records.renew(slot, now)) return false;
    this.#take(slot);
    this.#place(slot, records.deadline(slot));
    return true;
  }

  /** Removes an entry: its slot is free, and its handle stale. */
  remove(slot: number): void {
    this.#take(slot);
    this.records.release(slot);
  }

  clear(): void {
    this.records.clear();
    this.#front.clear();
    this.#occupied.fill(0);
    this.#stale = 0;
  }

  /**
   * Removes entries that are due at `now`, in the order of deadline and setting, and passes their
   * slots on, which are free afterwards. At most `limit`, and looks at `visits` entries at most: the
   * rest is due at {@link nextWake}, which is then not later than `now`.
   */
  expire(now: number, limit: number, visits: number, expired: (slot: number) => void): void {
    const records = this.records;
    const front = this.#front;
    let visitsLeft = visits;
    let left = limit;
    while (left > 0) {
      visitsLeft = this.#refill(now, visitsLeft);
      const { time } = front;
      if (visitsLeft === 0 || !(time <= now)) return;
      visitsLeft -= 1;
      const slot = records.slotOf(front.pop());
      if (slot < 0 || !records.isInFront(slot)) {
        this.#stale -= 1;
        continue;
      }
      const deadline = records.deadline(slot);
      if (deadline > time) {
        this.#place(slot, deadline);
      } else {
        records.release(slot);
        left -= 1;
        expired(slot);
      }
    }
  }

  /**
   * When to call {@link expire} next: never later than the earliest deadline; `Infinity` without
   * entries. May be earlier, at most once per level and entry.
   */
  get nextWake(): number {
    if (this.#isScattering) return Number.NEGATIVE_INFINITY;
    if (this.#front.length > 0) return this.#front.time;
    const start = this.#firstStart();
    return start > LAST_TICK ? Number.POSITIVE_INFINITY : start / TICKS_PER_SECOND;
  }

  get #isScattering(): boolean {
    return this.records.first(SCATTER) !== SCATTER;
  }

  /**
   * Moves the cursor towards `now`, until the front has entries or `now` is reached. Returns the
   * visits that are left; with none, it is not done.
   */
  #refill(now: number, visits: number): number {
    const target = tickOf(now);
    let left = visits;
    for (;;) {
      left = this.#scatter(left);
      const position = this.#block + this.#cursor;
      if (left === 0 || this.#front.length > 0 || position >= target) return left;
      const start = this.#firstStart();
      if (start > target) this.#moveTo(target);
      else this.#enter(start, target);
    }
  }

  /** Puts entries of the slot that was reached into lower levels, or into the front. */
  #scatter(visits: number): number {
    const records = this.records;
    let left = visits;
    for (let slot = records.first(SCATTER); slot !== SCATTER && left > 0; left -= 1) {
      records.unlink(slot);
      this.#place(slot, records.deadline(slot));
      slot = records.first(SCATTER);
    }
    return left;
  }

  /** Moves the cursor to the first slot that has entries, which are then to be scattered. */
  #enter(start: number, target: number): void {
    const list = this.#firstList();
    if (list === OVERFLOW) {
      // Of all blocks that have passed at once.
      this.#moveTo(Math.max(start, Math.floor(target / BLOCK) * BLOCK));
    } else {
      this.#moveTo(start);
      this.#markEmpty(list);
    }
    this.records.moveAll(list, SCATTER);
  }

  #moveTo(tick: number): void {
    this.#block = Math.floor(tick / BLOCK) * BLOCK;
    this.#cursor = tick - this.#block;
  }

  /** The list of the earliest slot that has entries; -1 if none has. */
  #firstList(): number {
    for (let level = 0; level < LEVELS; level += 1) {
      const bits = this.#occupied[level] as number;
      if (bits !== 0) return (level << LEVEL_BITS) + 31 - Math.clz32(bits & -bits);
    }
    return this.records.first(OVERFLOW) === OVERFLOW ? -1 : OVERFLOW;
  }

  /** The first tick of that slot; `Infinity` without entries. */
  #firstStart(): number {
    const list = this.#firstList();
    if (list < 0) return Number.POSITIVE_INFINITY;
    if (list === OVERFLOW) return this.#block + BLOCK;
    const shift = (list >> LEVEL_BITS) * LEVEL_BITS;
    const above = shift + LEVEL_BITS;
    const digits = ((this.#cursor >>> above) << above) | ((list & 31) << shift);
    return this.#block + digits;
  }

  /** Puts an entry, which is in no list, where its deadline belongs. */
  #place(slot: number, deadline: number): void {
    const records = this.records;
    const ahead = tickOf(deadline) - this.#block;
    if (ahead <= this.#cursor) {
      records.setInFront(slot);
      this.#front.push(deadline, records.handle(slot));
    } else if (ahead >= BLOCK) {
      records.link(slot, OVERFLOW);
    } else {
      const level = ((31 - Math.clz32(ahead ^ this.#cursor)) / LEVEL_BITS) | 0;
      const digit = (ahead >>> (level * LEVEL_BITS)) & 31;
      records.link(slot, (level << LEVEL_BITS) + digit);
      this.#occupied[level] = (this.#occupied[level] as number) | (1 << digit);
    }
  }

  /** Takes an entry out of its place. Its handle in the front, if any, is stale. */
  #take(slot: number): void {
    const records = this.records;
    if (!records.isInFront(slot)) {
      const emptied = records.unlink(slot);
      if (emptied >= 0 && emptied < SLOT_LISTS) this.#markEmpty(emptied);
      return;
    }
    this.#stale += 1;
    if (this.#stale > FEW && this.#stale > this.#front.length / 2) {
      // The handle of this entry is live until it is set again or released.
      this.#front.filter((handle) => {
        const other = records.slotOf(handle);
        return other >= 0 && other !== slot && records.isInFront(other);
      });
      this.#stale = 0;
    }
  }

  #markEmpty(list: number): void {
    const level = list >> LEVEL_BITS;
    this.#occupied[level] = (this.#occupied[level] as number) & ~(1 << (list & 31));
  }
}
