/** Pending timeouts: who owns which id of the wheel. */
import type { Context } from './async-context.js';
import type { Callback, Run } from './callback-queue.js';
import type { Submissions } from '../boundary/submissions.js';

/**
 * A pending timeout, as `addTimeout`, `callAt` and `callLater` give it: an opaque handle for
 * `removeTimeout`. Unlike asyncio's it has no `cancel()`, as documented.
 */
export class Timeout {
  /** @internal The wheel's id; below 0 once it is due, removed, or when it never comes due. */
  id: number;
  /** @internal What to call; `null` once it has run or was removed: then nothing holds the closure. */
  callback: Callback | null;

  /** @internal */
  constructor(id: number, callback: Callback) {
    this.id = id;
    this.callback = callback;
  }

  /** @internal It will not run, or not again. */
  letGo(id: number): void {
    this.id = id;
    this.callback = null;
  }
}

/**
 * A timeout with arguments or a context. Most have neither, and are two words smaller. One object:
 * when thousands fire, what they cost is the memory that is touched for the first time.
 */
class BoundTimeout extends Timeout {
  args: readonly unknown[];
  context: Context;

  constructor(id: number, callback: Callback, args: readonly unknown[], context: Context) {
    super(id, callback);
    this.args = args;
    this.context = context;
  }

  override letGo(id: number): void {
    super.letGo(id);
    this.args = NO_ARGUMENTS;
    this.context = null;
  }
}

/** The timeouts of one loop. The wheel knows ids and deadlines, this table knows the rest. */
export class TimeoutTable {
  readonly #submissions: Submissions;
  #byId: (Timeout | undefined)[] = [];
  #free: number[] = [];
  #pending = 0;
  /** Collected at the entry of a turn: fixed before anything runs. */
  #due: Timeout[] = [];

  constructor(submissions: Submissions) {
    this.#submissions = submissions;
  }

  /** Timeouts that the wheel holds. */
  get size(): number {
    return this.#pending;
  }

  /** Adds a timeout for `deadline`, in seconds of the loop's clock. */
  add(deadline: number, callback: Callback, args: readonly unknown[], context: Context): Timeout {
    const bare = args.length === 0 && context === null;
    const isNever = deadline === Number.POSITIVE_INFINITY;
    const id = isNever ? NEVER : (this.#free.pop() ?? this.#byId.length);
    const timeout = bare
      ? new Timeout(id, callback)
      : new BoundTimeout(id, callback, args, context);
    if (isNever) return timeout;
    this.#byId[id] = timeout;
    this.#pending += 1;
    this.#submissions.arm(id, deadline);
    return timeout;
  }

  /** Cancels; nothing to do when it has run, was removed, or belongs to another loop. */
  remove(timeout: Timeout): void {
    const { id } = timeout;
    if (id >= 0) {
      if (this.#byId[id] !== timeout) return;
      this.#release(id);
      this.#submissions.cancel(id);
      timeout.letGo(DONE);
    } else if (id > DUE || this.#due[DUE - id] === timeout) timeout.letGo(id);
  }

  /** Takes a due id, which is free again. The timeouts run in the order of these calls. */
  collect(id: number): void {
    const timeout = this.#byId[id];
    // The wheel reports only ids that were armed and not cancelled since.
    if (timeout === undefined) return;
    this.#release(id);
    timeout.id = DUE - this.#due.length;
    this.#due.push(timeout);
  }

  /** Runs what was collected, except what was removed meanwhile. */
  fire(run: Run): void {
    if (this.#due.length === 0) return;
    for (const timeout of this.#due) {
      const { callback } = timeout;
      const bound = timeout instanceof BoundTimeout;
      const args = bound ? timeout.args : NO_ARGUMENTS;
      const context = bound ? timeout.context : null;
      timeout.letGo(DONE);
      if (callback !== null) run(callback, args, context);
    }
    this.#due = [];
  }

  /** Lets go of all closures, also of those whose handles are held. */
  clear(): void {
    for (const timeout of this.#byId) {
      if (timeout === undefined) continue;
      timeout.letGo(DONE);
    }
    this.#byId = [];
    this.#free = [];
    this.#due = [];
    this.#pending = 0;
  }

  #release(id: number): void {
    this.#pending -= 1;
    if (this.#pending === 0 && this.#byId.length > KEEP) {
      // The last of a crowd: give the table back.
      this.#byId = [];
      this.#free = [];
      return;
    }
    this.#byId[id] = undefined;
    this.#free.push(id);
  }
}

const NO_ARGUMENTS: readonly unknown[] = [];
const NEVER = -1;
const DONE = -2;
/** The first of the turn's due timeouts; the others count down from it. */
const DUE = -3;
const KEEP = 4096;
