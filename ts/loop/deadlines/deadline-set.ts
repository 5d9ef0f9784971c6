/** `DeadlineSet`: keys with deadlines. */
import { secondsOf, type Duration } from '../../support/duration.js';
import { INSPECT, viewOf } from '../../support/inspect.js';
import type { IOLoop } from '../ioloop.js';
import { Deadlines, type DeadlineOptions } from './deadlines.js';

/**
 * Keys that expire: sessions, heartbeats, entries of a cache, rate limits. For a million of them there
 * is one timeout of the loop and no closure. A key is any value, and is found as in a `Map`.
 *
 * A key expires after its duration, never early, unless it is set, touched or deleted before. Keys that
 * have expired leave the set and are passed to `onExpire`, in batches, while the loop runs. Until then
 * they are in the set: {@link touch} still keeps them, and {@link has} is true.
 *
 * In `onExpire` the keys of the batch are not in the set. They can be set again; `touch()` and
 * `delete()` return false for them. After {@link close} in it no further batch comes.
 *
 * A key takes 32 bytes and its place in a `Map`, about as much again; {@link DeadlineQueue} does
 * without the `Map`. A set does not keep the process alive: a running loop does.
 */
export class DeadlineSet<K> implements Iterable<K>, Disposable {
  readonly #deadlines: Deadlines<K>;
  readonly #slots = new Map<K, number>();

  /**
   * @throws `ERR_INVALID_ARG_TYPE`; `ERR_OUT_OF_RANGE` for a `batchSize` that is not an integer from 1
   * to 2^20; `ERR_IOLOOP_CLOSED`.
   */
  constructor(loop: IOLoop, options: DeadlineOptions<K>) {
    this.#deadlines = new Deadlines(loop, options, (key) => {
      this.#slots.delete(key);
    });
  }

  /** The number of keys, also of those whose deadline is past and which no batch had yet. */
  get size(): number {
    return this.#slots.size;
  }

  /**
   * Adds a key that expires `duration` from now: a number of **seconds**, or a {@link Duration}. Of a
   * key that is there, replaces duration and deadline; it counts as set now. With 0 or less it expires
   * in the next turn, with `Infinity` never.
   *
   * @throws `ERR_INVALID_ARG_TYPE`, also for NaN; `ERR_INVALID_ARG_VALUE`; `ERR_IOLOOP_CLOSED` of a
   * closed loop; `ERR_IOLOOP_DEADLINES_CLOSED` after {@link close}. Nothing has changed then.
   */
  set(key: K, duration: number | Duration): this {
    const seconds = secondsOf(duration, 'duration');
    const deadlines = this.#deadlines;
    const now = deadlines.now();
    const slot = this.#slots.get(key);
    if (slot === undefined) this.#add(key, now, seconds);
    else deadlines.set(slot, now, seconds);
    return this;
  }

  /**
   * Puts a key off: it expires its whole duration from now. Returns whether the key is in the set. Costs
   * the look-up of the key and two stores.
   *
   * The duration counts from the end of the running code (the next microtask), or from the 1,024th touch
   * after this one: the clock is read once for all of them. With a `timeFunc` it counts from the call. The
   * deadline may be late by 200 ns for each second of the duration, of which a touch uses 24 bits.
   */
  touch(key: K): boolean {
    const slot = this.#slots.get(key);
    if (slot === undefined) return false;
    this.#deadlines.touchLater(slot);
    return true;
  }

  /** Removes a key without a call of `onExpire`. Returns whether it was in the set. */
  delete(key: K): boolean {
    const slot = this.#slots.get(key);
    if (slot === undefined) return false;
    this.#deadlines.remove(slot);
    return this.#slots.delete(key);
  }

  /** Whether a key is in the set, also if its deadline is past and no batch had it yet. */
  has(key: K): boolean {
    return this.#slots.has(key);
  }

  /** When a key expires, in seconds on the scale of {@link IOLoop.time}; `undefined` without the key. */
  deadline(key: K): number | undefined {
    const slot = this.#slots.get(key);
    return slot === undefined ? undefined : this.#deadlines.deadline(slot);
  }

  /** The keys, in the order in which they were first set. As of a `Map`, the set may change meanwhile. */
  [Symbol.iterator](): IterableIterator<K> {
    return this.#slots.keys();
  }

  /** Removes all keys without a call of `onExpire`, and frees their memory. */
  clear(): void {
    this.#slots.clear();
    this.#deadlines.clear();
  }

  /** Whether the set was closed. */
  get closed(): boolean {
    return this.#deadlines.isClosed;
  }

  /** Removes all keys, for good: `onExpire` is not called again. Closing again does nothing. */
  close(): void {
    this.#slots.clear();
    this.#deadlines.close();
  }

  /** As {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** @internal For `util.inspect`. */
  [INSPECT](): object {
    return viewOf(this, #slots in this ? { size: this.size, closed: this.closed } : {});
  }

  #add(key: K, now: number, seconds: number): void {
    const slot = this.#deadlines.add(key, now, seconds);
    try {
      this.#slots.set(key, slot);
    } catch (error) {
      // A Map has at most 2^24 keys.
      this.#deadlines.remove(slot);
      throw error;
    }
  }
}
