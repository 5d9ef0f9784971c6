/**
 * The timeouts of one loop, by their ids in the timer wheel.
 *
 * `Timeout.id` is the state of a timeout, in one integer, as a loop may have a million of them:
 *
 * | `id`           | state                                      | next state                               |
 * | -------------- | ------------------------------------------ | ---------------------------------------- |
 * | 0 or more      | pending in the wheel, under this id        | due: `collect`; done: `remove`, `clear`  |
 * | -1, `NEVER`    | its deadline is infinite: not in the wheel | none; `remove` releases the callback     |
 * | -2, `DONE`     | it ran, or was cancelled while pending     | none                                     |
 * | -3 - n, `DUE`  | collected: number n of those of this turn  | done: `fire`; `remove`, `move` make `fire` skip |
 *
 * An id that is due or cancelled is free at once, and the next timeout may get it.
 */
import type { Submissions } from '../boundary/submissions.js';
import { INSPECT, viewOf } from '../support/inspect.js';
import type { Context } from './async-context.js';
import type { Callback, Run } from './callback-queue.js';
import { originIn } from './origins.js';

const NEVER = -1;
const DONE = -2;
/** The first due timeout of a turn; the others count down from it. */
const DUE = -3;

/**
 * A pending timeout: an opaque handle for `IOLoop.removeTimeout()`. Differs from asyncio: it has no
 * `cancel()`.
 */
export class Timeout {
  /** @internal See the table above. */
  id: number;
  /** @internal `null` once it has run or was cancelled: the handle does not hold the closure. */
  callback: Callback | null;

  /** @internal */
  constructor(id: number, callback: Callback) {
    this.id = id;
    this.callback = callback;
  }

  /** @internal For `util.inspect`. */
  [INSPECT](): object {
    const { id, callback } = this;
    const isReleased = callback === null;
    const state = isReleased ? 'done' : id >= 0 ? 'pending' : id === NEVER ? 'never due' : 'due';
    const registered = this instanceof BoundTimeout ? originIn(this.context)?.site : null;
    const view = {
      state,
      ...(isReleased ? {} : { callback }),
      ...(typeof registered === 'string' ? { registered } : {}),
    };
    return viewOf(this, view, { name: 'Timeout', hidden: ['id', 'callback', 'args', 'context'] });
  }

  /** @internal Releases the callback: it will not run, or not again. */
  release(id: number): void {
    this.id = id;
    this.callback = null;
  }
}

/**
 * A timeout with arguments or a context. Most have neither, and are two words smaller. There is no
 * second object for them: when thousands fire, most of the cost is memory that is touched first.
 */
class BoundTimeout extends Timeout {
  args: readonly unknown[];
  context: Context;

  constructor(id: number, callback: Callback, args: readonly unknown[], context: Context) {
    super(id, callback);
    this.args = args;
    this.context = context;
  }

  override release(id: number): void {
    super.release(id);
    this.args = NO_ARGUMENTS;
    this.context = null;
  }
}

/** The wheel has ids and deadlines; this table has the callbacks. */
export class TimeoutTable {
  readonly #submissions: Submissions;
  #byId: (Timeout | undefined)[] = [];
  #freeIds: number[] = [];
  #pending = 0;
  /** Collected at the entry of a turn, before anything runs. */
  #due: Timeout[] = [];
  #fired = 0;
  #cancelled = 0;

  constructor(submissions: Submissions) {
    this.#submissions = submissions;
  }

  /** The number of timeouts in the wheel. */
  get size(): number {
    return this.#pending;
  }

  /** The number of timeouts that have run, by turns. */
  get fired(): number {
    return this.#fired;
  }

  /** The number of timeouts that were removed before they ran. */
  get cancelled(): number {
    return this.#cancelled;
  }

  /** Adds a timeout for `deadline`, in seconds of the loop's clock. */
  add(deadline: number, callback: Callback, args: readonly unknown[], context: Context): Timeout {
    const isBare = args.length === 0 && context === null;
    const isNever = deadline === Number.POSITIVE_INFINITY;
    const id = isNever ? NEVER : (this.#freeIds.pop() ?? this.#byId.length);
    const timeout = isBare
      ? new Timeout(id, callback)
      : new BoundTimeout(id, callback, args, context);
    if (isNever) return timeout;
    this.#byId[id] = timeout;
    this.#pending += 1;
    this.#submissions.arm(id, deadline);
    return timeout;
  }

  /** Cancels a timeout. Does nothing if it has run, was cancelled, or belongs to another loop. */
  remove(timeout: Timeout): void {
    const { id } = timeout;
    if (id >= 0) {
      if (this.#byId[id] !== timeout) return;
      this.#free(id);
      this.#submissions.cancel(id);
      this.#cancelled += 1;
      timeout.release(DONE);
      return;
    }
    const isDue = id <= DUE && this.#due[DUE - id] === timeout;
    if (isDue && timeout.callback !== null) {
      this.#cancelled += 1;
      this.#fired -= 1;
    }
    if (id > DUE || isDue) timeout.release(id);
  }

  /**
   * Moves a timeout to another finite deadline, also one that is due and has not run; it counts as
   * added now. Returns false for one that is not pending, is never due, or belongs to another loop.
   */
  move(timeout: Timeout, deadline: number): boolean {
    const { id } = timeout;
    if (id >= 0) {
      if (this.#byId[id] !== timeout) return false;
      this.#submissions.arm(id, deadline);
      return true;
    }
    if (!(id <= DUE && this.#due[DUE - id] === timeout) || timeout.callback === null) return false;
    this.#due[DUE - id] = MOVED;
    this.#fired -= 1;
    timeout.id = this.#freeIds.pop() ?? this.#byId.length;
    this.#byId[timeout.id] = timeout;
    this.#pending += 1;
    this.#submissions.arm(timeout.id, deadline);
    return true;
  }

  /** Takes a due id. {@link fire} runs the timeouts in the order of these calls. */
  collect(id: number): void {
    const timeout = this.#byId[id];
    // The wheel reports only ids that are armed.
    if (timeout === undefined) return;
    this.#free(id);
    timeout.id = DUE - this.#due.length;
    this.#due.push(timeout);
  }

  /** Runs what was collected, except what was cancelled since. */
  fire(run: Run): void {
    if (this.#due.length === 0) return;
    for (const timeout of this.#due) {
      const { callback } = timeout;
      const isBound = timeout instanceof BoundTimeout;
      const args = isBound ? timeout.args : NO_ARGUMENTS;
      const context = isBound ? timeout.context : null;
      timeout.release(DONE);
      if (callback !== null) run(callback, args, context);
    }
    this.#fired += this.#due.length;
    this.#due = [];
  }

  /** Releases all callbacks, also of timeouts whose handles are held. */
  clear(): void {
    for (const timeout of this.#byId) timeout?.release(DONE);
    this.#byId = [];
    this.#freeIds = [];
    this.#due = [];
    this.#pending = 0;
  }

  #free(id: number): void {
    this.#pending -= 1;
    if (this.#pending === 0 && this.#byId.length > LARGEST_KEPT) {
      this.#byId = [];
      this.#freeIds = [];
      return;
    }
    this.#byId[id] = undefined;
    this.#freeIds.push(id);
  }
}

const NO_ARGUMENTS: readonly unknown[] = [];

/** In the place of a due timeout that was moved. */
const MOVED = new Timeout(DONE, () => {});
MOVED.release(DONE);

/** An empty table with more entries than this is dropped. */
const LARGEST_KEPT = 4096;
