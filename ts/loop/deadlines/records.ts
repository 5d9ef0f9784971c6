/**
 * The entries of a {@link DeadlineWheel}: a record of 16 bytes, which is all that a touch needs, and a
 * link of 8 bytes. A touch is then one cache miss, also of a million entries, and few misses of the
 * table of pages.
 *
 * | bytes    | of a record                                                                          |
 * | -------- | ------------------------------------------------------------------------------------ |
 * | 0 to 7   | deadline, in seconds of the loop's clock                                             |
 * | 8 to 11  | duration, in seconds, with 24 bits; see {@link Records.renew}                        |
 * | 12 to 15 | number of the setting, from 1; 0 while the record is free                            |
 *
 * | bytes    | of a link                                                                            |
 * | -------- | ------------------------------------------------------------------------------------ |
 * | 0 to 3   | next record of its list; of a free one, the next free record                         |
 * | 4 to 7   | the one before it, or {@link FRONT} for a record that is in no list                  |
 *
 * Lists are circles: the first records are not entries, but begin one list each.
 */

/** The previous record of one that is in the front of the wheel. */
export const FRONT = -1;

/** Lists: 32 slots of 6 levels, then those of {@link OVERFLOW} and {@link SCATTER}. */
export const SLOT_LISTS = 6 * 32;
/** Entries whose deadline is beyond the levels. */
export const OVERFLOW = SLOT_LISTS;
/** Entries of a slot that the wheel has reached, and which it is spreading over lower levels. */
export const SCATTER = SLOT_LISTS + 1;
const LISTS = SLOT_LISTS + 2;

/** 4-byte words of a record. */
const WORDS = 4;
const DURATION = 2;
const ORDER = 3;

/** 4-byte words of a link. */
const LINK_WORDS = 2;
const NEXT = 0;
const PREV = 1;

/** A handle is `order * SLOTS + slot`, an exact integer. */
const SLOTS = 2 ** 26;
const SLOT_MASK = SLOTS - 1;
const ORDERS = 2 ** 27;

/** Records that an empty wheel has. */
const FIRST_CAPACITY = 256;
const NONE = 0;

/** Rounds a duration up: the nearest number of 24 bits is smaller by a part in 2^24 at most. */
const ROUNDING = 1 + 2 ** -23;

/** Records of entries, by slot; and lists of them. */
export class Records {
  #doubles!: Float64Array;
  #floats!: Float32Array;
  #words!: Int32Array;
  #links!: Int32Array;
  #capacity = 0;
  /** Slots below this were used. */
  #used = LISTS;
  #free = NONE;
  #order = 0;
  #size = 0;

  constructor() {
    this.clear();
  }

  /** The number of entries. */
  get size(): number {
    return this.#size;
  }

  /** Removes all entries, and frees their memory. */
  clear(): void {
    this.#allocate(FIRST_CAPACITY);
    for (let list = 0; list < LISTS; list += 1) this.#makeEmpty(list);
    this.#used = LISTS;
    this.#free = NONE;
    this.#size = 0;
  }

  /**
   * A slot for a new entry, which is in no list yet.
   *
   * @throws A `RangeError` of the engine when memory ends; nothing has changed then.
   */
  take(): number {
    let slot = this.#free;
    if (slot === NONE) {
      if (this.#used === this.#capacity) this.#grow();
      slot = this.#used;
      this.#used += 1;
    } else {
      this.#free = this.#links[slot * LINK_WORDS + NEXT] as number;
    }
    this.#size += 1;
    return slot;
  }

  /** Gives a slot back, which is in no list. */
  release(slot: number): void {
    this.#words[slot * WORDS + ORDER] = 0;
    this.#links[slot * LINK_WORDS + NEXT] = this.#free;
    this.#free = slot;
    this.#size -= 1;
  }

  /** Sets the deadline of an entry, and the duration of its touches. */
  set(slot: number, deadline: number, duration: number): void {
    this.#doubles[slot * (WORDS / 2)] = deadline;
    this.#floats[slot * WORDS + DURATION] = duration * ROUNDING;
  }

  /** Makes an entry the last of those with its deadline, and gives it a new handle. */
  renumber(slot: number): void {
    // Numbers are given again after 10⁸ settings: then equal deadlines may be out of order once.
    this.#order = (this.#order % (ORDERS - 1)) + 1;
    this.#words[slot * WORDS + ORDER] = this.#order;
  }

  /**
   * Puts the deadline off: again its duration from `now`. A duration is kept with 24 bits and rounded
   * up: the deadline is later by up to 200 ns for each second of it, and never too early. Returns
   * whether it became earlier, as by a clock that was set back. A free record is left alone.
   */
  renew(slot: number, now: number): boolean {
    const word = slot * WORDS;
    if (this.#words[word + ORDER] === 0) return false;
    const deadline = now + (this.#floats[word + DURATION] as number);
    const at = slot * (WORDS / 2);
    const isEarlier = deadline < (this.#doubles[at] as number);
    this.#doubles[at] = deadline;
    return isEarlier;
  }

  /** {@link renew} of an entry that is in use, by a clock that is never set back. */
  putOff(slot: number, now: number): void {
    const duration = this.#floats[slot * WORDS + DURATION] as number;
    this.#doubles[slot * (WORDS / 2)] = now + duration;
  }

  deadline(slot: number): number {
    return this.#doubles[slot * (WORDS / 2)] as number;
  }

  /** The name of an entry until it is set again or released. Greater than those given before it. */
  handle(slot: number): number {
    return (this.#words[slot * WORDS + ORDER] as number) * SLOTS + slot;
  }

  /** The slot of an entry; -1 if it was set again or released. */
  slotOf(handle: number): number {
    const slot = handle & SLOT_MASK;
    // Of no entry: beyond the capacity, where there is no word, or the record of a list or a free one.
    const order = this.#words[slot * WORDS + ORDER] as number;
    return order * SLOTS + slot === handle && order > 0 ? slot : -1;
  }

  isInFront(slot: number): boolean {
    return this.#links[slot * LINK_WORDS + PREV] === FRONT;
  }

  /** The entry is in no list. */
  setInFront(slot: number): void {
    this.#links[slot * LINK_WORDS + PREV] = FRONT;
  }

  /** Appends an entry, which is in no list, to one. */
  link(slot: number, list: number): void {
    const links = this.#links;
    const last = links[list * LINK_WORDS + PREV] as number;
    links[last * LINK_WORDS + NEXT] = slot;
    links[slot * LINK_WORDS + PREV] = last;
    links[slot * LINK_WORDS + NEXT] = list;
    links[list * LINK_WORDS + PREV] = slot;
  }

  /** Takes an entry out of its list. Returns that list if it is empty now, and -1 otherwise. */
  unlink(slot: number): number {
    const links = this.#links;
    const next = links[slot * LINK_WORDS + NEXT] as number;
    const prev = links[slot * LINK_WORDS + PREV] as number;
    links[prev * LINK_WORDS + NEXT] = next;
    links[next * LINK_WORDS + PREV] = prev;
    return next === prev ? next : -1;
  }

  /** The first entry of a list; the list itself if there is none. */
  first(list: number): number {
    return this.#links[list * LINK_WORDS + NEXT] as number;
  }

  /** Moves all entries of a list, which has some, to another one, which has none. */
  moveAll(from: number, to: number): void {
    const links = this.#links;
    const first = links[from * LINK_WORDS + NEXT] as number;
    const last = links[from * LINK_WORDS + PREV] as number;
    links[first * LINK_WORDS + PREV] = to;
    links[last * LINK_WORDS + NEXT] = to;
    links[to * LINK_WORDS + NEXT] = first;
    links[to * LINK_WORDS + PREV] = last;
    this.#makeEmpty(from);
  }

  #makeEmpty(list: number): void {
    this.#links[list * LINK_WORDS + NEXT] = list;
    this.#links[list * LINK_WORDS + PREV] = list;
  }

  #grow(): void {
    if (this.#capacity === SLOTS) throw new RangeError(`more than ${SLOTS - LISTS} entries`);
    const words = this.#words;
    const links = this.#links;
    this.#allocate(2 * this.#capacity);
    this.#words.set(words);
    this.#links.set(links);
  }

  /** Memory that is not written to is not resident: of a large block, the part that is used. */
  #allocate(capacity: number): void {
    // First what may fail.
    const memory = new ArrayBuffer(capacity * WORDS * 4);
    this.#links = new Int32Array(capacity * LINK_WORDS);
    this.#doubles = new Float64Array(memory);
    this.#floats = new Float32Array(memory);
    this.#words = new Int32Array(memory);
    this.#capacity = capacity;
  }
}
