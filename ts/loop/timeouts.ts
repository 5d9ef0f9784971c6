/**
 * The timeouts of one loop, by their ids in the timer wheel.
 *
 * A loop may have a million of them, so what fires is in columns by id, and a handle is not looked at:
 * it may be gone, or lie anywhere in memory.
 *
 * | column       | of an id in use                       | of a free one                       |
 * | ------------ | ------------------------------------- | ----------------------------------- |
 * | `work`       | the function, or its {@link BoundWork} | `undefined`                         |
 * | `generation` | that of the handle                    | that of its next handle             |
 * | `delay`      | for {@link Timeout.refresh}; NaN if it has none | of no meaning             |
 *
 * A handle whose generation is not that of its id is stale, for good: a generation is used once, and an
 * id that has no more of them is not used again.
 *
 * | state of an id | it is in                           | next state                            |
 * | -------------- | ---------------------------------- | ------------------------------------- |
 * | free           | the free ids                       | pending: `add`                        |
 * | pending        | the wheel                          | due: `collect`; free: `remove`        |
 * | due            | the ids of this turn, with the generation | free: `fire`, `remove`; pending: `move` |
 *
 * `remove` and `move` of a due timeout change the generation of its id, so that `fire` passes it over.
 */
import type { Submissions } from '../boundary/submissions.js';
import { INSPECT, viewOf } from '../support/inspect.js';
import type { Context } from './async-context.js';
import type { Callback, Run } from './callback-queue.js';
import { originIn } from './origins.js';

/** The id of a timeout whose deadline is infinite. It is not in the wheel, and keeps nothing. */
const NEVER = -1;
/** The id of one of these that was cancelled. */
const DONE = -2;

/**
 * A pending timeout: an opaque handle for `IOLoop.removeTimeout()`. Differs from asyncio: it has no
 * `cancel()`.
 */
export class Timeout {
  /** @internal */
  id: number;
  /** @internal */
  generation: number;
  /** @internal */
  readonly table: TimeoutTable;

  /** @internal */
  constructor(id: number, generation: number, table: TimeoutTable) {
    this.id = id;
    this.generation = generation;
    this.table = table;
  }

  /**
   * Puts the timeout off: it runs its whole delay from now, in place of its deadline. As
   * `timeout.refresh()` of Node. Returns false, and does nothing, if it runs, has run or was cancelled,
   * if its loop is closed, or if it has no delay: `callAt()` and `addTimeout()` with a number have a
   * deadline, for which there is {@link IOLoop.resetTimeout}.
   *
   * The delay is that of `callLater()`, `addTimeout()` with a duration, or of the last `resetTimeout()`.
   * It is kept with 24 bits, rounded up: 0.5 and 30 as they are, others with up to 120 ns more for each
   * second.
   */
  refresh(): boolean {
    return this.table.refresh(this);
  }

  /** @internal For `util.inspect`. */
  [INSPECT](): object {
    const view = this.table.stateOf(this);
    return viewOf(this, view, { name: 'Timeout', hidden: ['id', 'generation', 'table'] });
  }
}

/** A function with arguments or a context. Most have neither. */
class BoundWork {
  readonly callback: Callback;
  readonly args: readonly unknown[];
  readonly context: Context;

  constructor(callback: Callback, args: readonly unknown[], context: Context) {
    this.callback = callback;
    this.args = args;
    this.context = context;
  }
}

type Work = Callback | BoundWork;

/** The wheel has ids and deadlines; this table has the functions. */
export class TimeoutTable {
  readonly #submissions: Submissions;
  /** Moves a timeout to a delay from now; `null` once the loop is closed. */
  #putOff: ((timeout: Timeout, delay: number) => boolean) | null;
  /** By id. */
  #work: (Work | number)[] = [];
  #generations: Int32Array = new Int32Array(FIRST_CAPACITY);
  #delays: Float32Array = new Float32Array(FIRST_CAPACITY);
  #firstFree = NONE;
  #pending = 0;
  /** Ids that were collected at the entry of a turn, before anything runs, each with its generation. */
  #due: Int32Array = new Int32Array(2 * FIRST_CAPACITY);
  /** Words of it in use. */
  #dueEnd = 0;
  #fired = 0;
  #cancelled = 0;

  constructor(submissions: Submissions, putOff: (timeout: Timeout, delay: number) => boolean) {
    this.#submissions = submissions;
    this.#putOff = putOff;
  }

  /** The number of timeouts that are pending or due. */
  get size(): number {
    return this.#pending;
  }

  /** The number of timeouts that have run. */
  get fired(): number {
    return this.#fired;
  }

  /** The number of timeouts that were removed before they ran. */
  get cancelled(): number {
    return this.#cancelled;
  }

  /**
   * Adds a timeout for `deadline`, in seconds of the loop's clock. `delay` is that of its refreshes; NaN
   * for none.
   */
  add(
    deadline: number,
    callback: Callback,
    args: readonly unknown[],
    context: Context,
    delay: number,
  ): Timeout {
    if (deadline === Number.POSITIVE_INFINITY) return new Timeout(NEVER, 0, this);
    const isBare = args.length === 0 && context === null;
    const id = this.#takeId();
    this.#work[id] = isBare ? callback : new BoundWork(callback, args, context);
    this.#keepDelay(id, delay);
    this.#pending += 1;
    this.#submissions.arm(id, deadline);
    return new Timeout(id, this.#generations[id] as number, this);
  }

  /** Cancels a timeout. Does nothing if it has run, was cancelled, or belongs to another loop. */
  remove(timeout: Timeout): void {
    const { id } = timeout;
    if (this.#isStale(timeout)) {
      if (id === NEVER && timeout.table === this) timeout.id = DONE;
      return;
    }
    this.#free(id);
    this.#submissions.cancel(id);
    this.#cancelled += 1;
  }

  /**
   * Moves a timeout to another finite deadline, also one that is due and has not run; it counts as
   * added now. Returns false for one that is not pending, is never due, or belongs to another loop.
   */
  move(timeout: Timeout, deadline: number): boolean {
    if (this.#isStale(timeout)) return false;
    if (this.#dueEnd > 0) this.#rename(timeout);
    this.#submissions.move(timeout.id, deadline);
    return true;
  }

  /** Sets the delay of {@link Timeout.refresh}, of a timeout of this loop that is pending or due. */
  setDelay(timeout: Timeout, delay: number): void {
    if (!this.#isStale(timeout)) this.#keepDelay(timeout.id, delay);
  }

  /** See {@link Timeout.refresh}. */
  refresh(timeout: Timeout): boolean {
    if (this.#putOff === null || this.#isStale(timeout)) return false;
    const delay = this.#delays[timeout.id] as number;
    return !Number.isNaN(delay) && this.#putOff(timeout, delay);
  }

  /** Takes the due ids from `from` to `end`. {@link fire} runs the timeouts in their order. */
  collect(ids: Int32Array, from: number, end: number): void {
    if (from === end) return;
    const size = this.#dueEnd + 2 * (end - from);
    if (size > this.#due.length) this.#due = enlarged(this.#due, size);
    const due = this.#due;
    const work = this.#work;
    const generations = this.#generations;
    let at = this.#dueEnd;
    for (let next = from; next < end; next += 1) {
      const id = ids[next] as number;
      // The wheel reports only what is armed. The look-ups of this loop overlap, which `fire` is too
      // long for: it finds the work in the cache.
      if (typeof work[id] === 'number') continue;
      due[at] = id;
      due[at + 1] = generations[id] as number;
      at += 2;
    }
    this.#dueEnd = at;
  }

  /** Runs what was collected, except what was cancelled since. */
  fire(run: Run): void {
    const due = this.#due;
    const end = this.#dueEnd;
    for (let at = 0; at < end; at += 2) {
      const id = due[at] as number;
      if (this.#generations[id] !== due[at + 1]) continue;
      const work = this.#work[id] as Work;
      this.#free(id);
      this.#fired += 1;
      if (typeof work === 'function') run(work, NO_ARGUMENTS, null);
      else run(work.callback, work.args, work.context);
    }
    this.#dueEnd = 0;
  }

  /** Releases all callbacks. All handles are stale. */
  clear(): void {
    this.#putOff = null;
    this.#work = [];
    this.#generations = new Int32Array(0);
    this.#delays = new Float32Array(0);
    this.#firstFree = NONE;
    this.#dueEnd = 0;
    this.#pending = 0;
  }

  /** For `util.inspect` of a handle. */
  stateOf(timeout: Timeout): object {
    const { id } = timeout;
    if (id === NEVER) return { state: 'never due' };
    if (this.#isStale(timeout)) return { state: 'done' };
    const work = this.#work[id] as Work;
    const state = this.#isDue(id) ? 'due' : 'pending';
    if (typeof work === 'function') return { state, callback: work };
    const registered = originIn(work.context)?.site;
    return {
      state,
      callback: work.callback,
      ...(typeof registered === 'string' ? { registered } : {}),
    };
  }

  /** Rounds up, if 24 bits are too few. */
  #keepDelay(id: number, delay: number): void {
    const delays = this.#delays;
    delays[id] = delay;
    if ((delays[id] as number) < delay) delays[id] = delay * ROUNDING;
  }

  #isStale(timeout: Timeout): boolean {
    const { id } = timeout;
    return id < 0 || timeout.table !== this || this.#generations[id] !== timeout.generation;
  }

  /** For display. */
  #isDue(id: number): boolean {
    return this.#due.subarray(0, this.#dueEnd).some((word, at) => at % 2 === 0 && word === id);
  }

  /** Makes a timeout another one, which is not among those that are due. */
  #rename(timeout: Timeout): void {
    const { id } = timeout;
    const work = this.#work[id] as Work;
    const delay = this.#delays[id] as number;
    this.#free(id);
    this.#submissions.cancel(id);
    timeout.id = this.#takeId();
    timeout.generation = this.#generations[timeout.id] as number;
    this.#work[timeout.id] = work;
    this.#delays[timeout.id] = delay;
    this.#pending += 1;
  }

  #takeId(): number {
    const id = this.#firstFree;
    if (id === NONE) return this.#newId();
    this.#firstFree = this.#work[id] as number;
    return id;
  }

  /** An id that was never used, or not since all were free. */
  #newId(): number {
    const work = this.#work;
    // Used up.
    while (this.#generations[work.length] === LAST_GENERATION) work.push(NONE);
    const id = work.length;
    if (id >= this.#generations.length) {
      this.#generations = enlarged(this.#generations, id + 1);
      const delays = this.#delays;
      this.#delays = new Float32Array(this.#generations.length);
      this.#delays.set(delays);
    }
    return id;
  }

  #free(id: number): void {
    const generation = (this.#generations[id] as number) + 1;
    this.#generations[id] = generation;
    this.#pending -= 1;
    if (this.#pending === 0 && this.#work.length > LARGEST_KEPT) {
      // Generations stay, as there may be handles.
      this.#work = [];
      this.#firstFree = NONE;
    } else if (generation === LAST_GENERATION) {
      this.#work[id] = NONE;
    } else {
      this.#work[id] = this.#firstFree;
      this.#firstFree = id;
    }
  }
}

/** A copy with room for `size` words at least. */
function enlarged(words: Int32Array, size: number): Int32Array {
  const copy = new Int32Array(Math.max(size, 2 * words.length));
  copy.set(words);
  return copy;
}

/** In place of an id. */
const NONE = -1;
const NO_ARGUMENTS: readonly unknown[] = [];

/** The nearest number of 24 bits is smaller by a part in 2^24 at most. */
const ROUNDING = 1 + 2 ** -23;

/** Of an id that is used up. */
const LAST_GENERATION = 2 ** 31 - 1;

const FIRST_CAPACITY = 64;

/** The functions of an empty table with more ids than this are dropped. */
const LARGEST_KEPT = 4096;
