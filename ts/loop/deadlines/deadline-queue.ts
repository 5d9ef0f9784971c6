/** `DeadlineQueue`: values with deadlines, by handles. */
import { secondsOf, type Duration } from '../../support/duration.js';
import { INSPECT, viewOf } from '../../support/inspect.js';
import type { IOLoop } from '../ioloop.js';
import { Deadlines, type DeadlineOptions } from './deadlines.js';

/**
 * Values that expire, by handles: a {@link DeadlineSet} without the look-up, for owners that can keep
 * a number, such as a connection. As `DelayQueue` of tokio. A value takes 32 bytes, and
 * {@link touch} a few nanoseconds.
 *
 * {@link add} returns the handle of its value: a number, which is not used again when the value has
 * expired or was deleted. A stale handle has no effect. The same value can be added many times.
 *
 * Otherwise as `DeadlineSet`: what has expired is passed to `onExpire` in batches, and is in the queue
 * until then.
 */
export class DeadlineQueue<T> implements Disposable {
  readonly #deadlines: Deadlines<T>;

  /** @throws As the constructor of {@link DeadlineSet}. */
  constructor(loop: IOLoop, options: DeadlineOptions<T>) {
    this.#deadlines = new Deadlines(loop, options, ignore);
  }

  /** The number of values, also of those whose deadline is past and which no batch had yet. */
  get size(): number {
    return this.#deadlines.size;
  }

  /**
   * Adds a value that expires `duration` from now: a number of **seconds**, or a {@link Duration}. With
   * 0 or less it expires in the next turn, with `Infinity` never. Returns its handle.
   *
   * @throws As {@link DeadlineSet.set}.
   */
  add(value: T, duration: number | Duration): number {
    const seconds = secondsOf(duration, 'duration');
    const deadlines = this.#deadlines;
    return deadlines.handle(deadlines.add(value, deadlines.now(), seconds));
  }

  /**
   * Puts a value off: it expires its whole duration from now. Returns whether it is in the queue. As
   * {@link DeadlineSet.touch}; the duration may count from up to a millisecond later.
   */
  touch(handle: number): boolean {
    const slot = this.#deadlines.slotOf(handle);
    if (slot < 0) return false;
    this.#deadlines.touch(slot);
    return true;
  }

  /**
   * Sets the duration of a value, from now. It keeps its handle, and its place among those with the
   * same deadline. Returns whether it is in the queue.
   *
   * @throws As {@link add}.
   */
  reset(handle: number, duration: number | Duration): boolean {
    const seconds = secondsOf(duration, 'duration');
    const now = this.#deadlines.now();
    const slot = this.#deadlines.slotOf(handle);
    if (slot < 0) return false;
    this.#deadlines.reset(slot, now, seconds);
    return true;
  }

  /** Removes a value without a call of `onExpire`. Returns whether it was in the queue. */
  delete(handle: number): boolean {
    const slot = this.#deadlines.slotOf(handle);
    if (slot < 0) return false;
    this.#deadlines.remove(slot);
    return true;
  }

  /** Whether the value of a handle is in the queue. */
  has(handle: number): boolean {
    return this.#deadlines.slotOf(handle) >= 0;
  }

  /** The value of a handle; `undefined` if it is not in the queue. */
  get(handle: number): T | undefined {
    const slot = this.#deadlines.slotOf(handle);
    return slot < 0 ? undefined : this.#deadlines.value(slot);
  }

  /** When a value expires, in seconds on the scale of {@link IOLoop.time}; `undefined` for a stale handle. */
  deadline(handle: number): number | undefined {
    const slot = this.#deadlines.slotOf(handle);
    return slot < 0 ? undefined : this.#deadlines.deadline(slot);
  }

  /** Removes all values without a call of `onExpire`, and frees their memory. */
  clear(): void {
    this.#deadlines.clear();
  }

  /** Whether the queue was closed. */
  get closed(): boolean {
    return this.#deadlines.isClosed;
  }

  /** Removes all values, for good: `onExpire` is not called again. Closing again does nothing. */
  close(): void {
    this.#deadlines.close();
  }

  /** As {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** @internal For `util.inspect`. */
  [INSPECT](): object {
    return viewOf(this, #deadlines in this ? { size: this.size, closed: this.closed } : {});
  }
}

function ignore(): void {}
