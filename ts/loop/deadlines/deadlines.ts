/**
 * What `DeadlineSet` and `DeadlineQueue` share: values by slot, their deadlines in a wheel, one timeout
 * of the loop for the earliest, and the batches of what has expired.
 *
 * A touch does not read the clock: its slot goes into an array. In the next microtask, and before
 * anything that depends on touches, the clock is read once for all of them. A touch by handle has the
 * record of its entry in the cache, and writes the deadline at once, from a time a little ahead of the last
 * reading: if that has passed at the next one, it is written again. Those by key are written together, at
 * the reading. So no deadline is too early. A clock of the program (`timeFunc`) may step meanwhile: each
 * touch reads it.
 */
import { checkFunction, checkInteger, checkOptions } from '../../support/checks.js';
import { closedDeadlines, closedLoop } from '../../support/errors.js';
import type { Context } from '../async-context.js';
import type { Callback } from '../callback-queue.js';
import { checkLoop, internalsOf, type LoopInternals } from '../internals.js';
import type { IOLoop } from '../ioloop.js';
import type { Timeout } from '../timeouts.js';
import { Chunks } from './chunks.js';
import type { Records } from './records.js';
import { DeadlineWheel } from './wheel.js';

/** Options of `DeadlineSet` and `DeadlineQueue`. */
export interface DeadlineOptions<T> {
  /**
   * Called with what has expired: in the order of the deadlines, equal ones in the order in which they
   * were set. At most once in a turn, with at most {@link batchSize}; the rest follows in the next
   * turns. The array is not used afterwards. It runs in the async context in which the object was
   * made; an exception, or the rejection of a promise that it returns, goes to
   * {@link IOLoop.handleCallbackException}. What the call was given has expired all the same, and the
   * next calls come.
   */
  readonly onExpire: (expired: T[]) => unknown;
  /** The most that one call of {@link onExpire} gets, from 1 to 2^20. By default 1,024. */
  readonly batchSize?: number | undefined;
}

/** Values with deadlines. `removed` is called with each value that expires, before `onExpire`. */
export class Deadlines<T> {
  readonly #loop: IOLoop;
  readonly #internals: LoopInternals;
  readonly #onExpire: Callback;
  readonly #batchSize: number;
  readonly #removed: (value: T) => void;
  readonly #context: Context;
  readonly #values = new Chunks<T>();
  readonly #wheel: DeadlineWheel;
  readonly #records: Records;
  /** Slots of touches that are not confirmed. Has no room where each touch reads the clock. */
  readonly #touched: Int32Array;
  #touches = 0;
  /** The time that touches count from, if it has not passed when they are confirmed. */
  #ahead = Number.NEGATIVE_INFINITY;
  #timeout: Timeout | null = null;
  /** When the timeout is due; `Infinity` without one. */
  #wake = Number.POSITIVE_INFINITY;
  #isClosed = false;

  /** @throws `ERR_INVALID_ARG_TYPE`; `ERR_OUT_OF_RANGE`; `ERR_IOLOOP_CLOSED`. */
  constructor(loop: IOLoop, options: DeadlineOptions<T>, removed: (value: T) => void) {
    checkLoop(loop);
    checkOptions(options);
    const { onExpire, batchSize = BATCH_SIZE } = (options as typeof options | undefined) ?? {};
    checkFunction('onExpire', onExpire);
    checkInteger('batchSize', batchSize, 1, LARGEST_BATCH);
    const internals = internalsOf(loop);
    this.#loop = loop;
    this.#internals = internals;
    this.#onExpire = onExpire as Callback;
    this.#batchSize = batchSize;
    this.#removed = removed;
    this.#context = internals.contextOf('onExpire function', this.#onExpire);
    this.#wheel = new DeadlineWheel(internals.time());
    this.#records = this.#wheel.records;
    this.#touched = new Int32Array(internals.isSteady ? internals.capacities.touches : 0);
  }

  get size(): number {
    return this.#wheel.size;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * The time, before something is set: afterwards no code of the program runs until it is.
   *
   * @throws `ERR_IOLOOP_DEADLINES_CLOSED`; `ERR_IOLOOP_CLOSED`.
   */
  now(): number {
    const now = this.#internals.time();
    if (this.#isClosed) throw closedDeadlines();
    if (this.#loop.closed) throw closedLoop();
    if (this.#touches > 0) this.#confirm(now);
    return now;
  }

  /** Adds a value, and returns its slot. Times are in seconds; `now` is that of {@link now}. */
  add(value: T, now: number, duration: number): number {
    const slot = this.#wheel.add(now + duration, duration);
    this.#values.set(slot, value);
    this.#wakeAt(now + duration);
    return slot;
  }

  /** Sets a slot again, which is the last of those with its deadline. */
  set(slot: number, now: number, duration: number): void {
    this.#wheel.set(slot, now + duration, duration);
    this.#wakeAt(now + duration);
  }

  /** Sets a slot again, which keeps its handle. */
  reset(slot: number, now: number, duration: number): void {
    this.#wheel.reset(slot, now + duration, duration);
    this.#wakeAt(now + duration);
  }

  /** Puts the deadline of a slot off: again its duration from now. */
  touch(slot: number): void {
    const touched = this.#touched;
    const count = this.#touches;
    if (count < touched.length) {
      this.#records.putOff(slot, this.#ahead);
      touched[count] = slot;
      this.#touches = count + 1;
      if (count === 0) void SETTLED.then(this.#settle);
    } else {
      this.#touchNow(slot);
    }
  }

  /**
   * {@link touch} of a slot whose record is not in the cache. The records are written in a loop of their
   * own: its misses overlap, and so do those of touches, which are shorter.
   */
  touchLater(slot: number): void {
    const touched = this.#touched;
    const count = this.#touches;
    if (count < touched.length) {
      touched[count] = slot;
      this.#touches = count + 1;
      if (count === 0) this.#beginLater();
    } else {
      this.#touchNow(slot);
    }
  }

  #beginLater(): void {
    // Has passed: all are written.
    this.#ahead = Number.NEGATIVE_INFINITY;
    void SETTLED.then(this.#settle);
  }

  value(slot: number): T {
    return this.#values.get(slot);
  }

  deadline(slot: number): number {
    this.#settle();
    return this.#records.deadline(slot);
  }

  handle(slot: number): number {
    return this.#records.handle(slot);
  }

  /** The slot of a handle; -1 if it is stale. */
  slotOf(handle: number): number {
    return this.#records.slotOf(handle);
  }

  remove(slot: number): void {
    this.#settle();
    this.#wheel.remove(slot);
    this.#values.delete(slot);
  }

  clear(): void {
    this.#touches = 0;
    this.#wheel.clear();
    this.#values.clear();
    this.#wakeAt(Number.POSITIVE_INFINITY, true);
  }

  close(): void {
    this.#isClosed = true;
    this.clear();
  }

  readonly #settle = (): void => {
    if (this.#touches > 0) this.#confirm(this.#internals.time());
  };

  /** The touches that were collected, of which none was later than `now`. */
  #confirm(now: number): void {
    const count = this.#touches;
    this.#touches = 0;
    if (now > this.#ahead) {
      for (let at = 0; at < count; at += 1) this.#wheel.renew(this.#touched[at] as number, now);
    }
    this.#ahead = now + AHEAD;
  }

  /** A touch for which the array has no room. */
  #touchNow(slot: number): void {
    const now = this.#internals.time();
    if (this.#touches > 0) this.#confirm(now);
    // Otherwise the clock was set back.
    if (this.#wheel.renew(slot, now)) this.#wakeAt(this.#wheel.nextWake, true);
  }

  readonly #expire = (): void => {
    this.#timeout = null;
    this.#wake = Number.POSITIVE_INFINITY;
    const now = this.#internals.time();
    if (this.#touches > 0) this.#confirm(now);
    const expired: T[] = [];
    const visits = this.#internals.capacities.deadlineVisits + 2 * this.#batchSize;
    this.#wheel.expire(now, this.#batchSize, visits, (slot) => {
      const value = this.#values.get(slot);
      this.#values.delete(slot);
      this.#removed(value);
      expired.push(value);
    });
    this.#wakeAt(this.#wheel.nextWake);
    if (expired.length > 0) this.#internals.guard.run(this.#onExpire, [expired], this.#context);
  };

  /** Moves the timeout, if it would be too late; or in any case. */
  #wakeAt(when: number, always = false): void {
    if (when >= this.#wake && !always) return;
    if (this.#timeout !== null) this.#internals.timeouts.remove(this.#timeout);
    this.#timeout = null;
    this.#wake = when;
    if (when === Number.POSITIVE_INFINITY || this.#loop.closed) return;
    // Not by a method that a subclass can override: it may throw.
    this.#timeout = this.#internals.addTimeout(when, this.#expire, NO_ARGUMENTS, null);
  }
}

/** How far touches count ahead of the last reading of the clock, in seconds: a tick of the wheel. */
const AHEAD = 1 / 1024;
const BATCH_SIZE = 1_024;
const LARGEST_BATCH = 2 ** 20;
const NO_ARGUMENTS: readonly unknown[] = [];
/** A microtask by its `then()` costs half of `queueMicrotask()`. */
const SETTLED = Promise.resolve();
