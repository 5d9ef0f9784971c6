/** Access to the inside of a loop, for the classes that are built on it. */
import type { Capacities } from '../support/capacities.js';
import { closedLoop, invalidArgType } from '../support/errors.js';
import { INTERNALS } from '../support/internals.js';
import type { Context } from './async-context.js';
import type { Callback } from './callback-queue.js';
import type { IoCounters } from './counters.js';
import type { Guard } from './guard.js';
import type { LoopIO } from './io.js';
import type { CallKind } from './origins.js';
import type { Posts } from './posts.js';
import type { Timeout, TimeoutTable } from './timeouts.js';

/** The members of a loop that are internal to the package. */
export interface LoopInternals {
  readonly guard: Guard;
  readonly io: LoopIO;
  readonly posts: Posts;
  readonly timeouts: TimeoutTable;
  readonly time: () => number;
  readonly isSteady: boolean;
  /** `sleeping` until something wakes the loop; for tests. */
  readonly phase: string;
  readonly capacities: Capacities;
  contextOf(kind: CallKind, func: Callback): Context;
  addTimeout(
    deadline: number,
    callback: Callback,
    args: readonly unknown[],
    context: Context,
  ): Timeout;
  start(onStopped: () => void): void;
}

/** An `IOLoop`, without an import of it: `ioloop.ts` stands on files that need this one. */
interface Loop {
  readonly closed: boolean;
  readonly [INTERNALS]: LoopInternals;
}

/** The one way from `loop` into user code. Also that of a closed loop. */
export function guardOf(loop: Loop): Guard {
  return loop[INTERNALS].guard;
}

/** The counters of a loop. Also those of a closed one. */
export function countersOf(loop: Loop): IoCounters {
  return loop[INTERNALS].io.counters;
}

/** The calls of other threads to `loop`. */
export function postsOf(loop: object): Posts {
  return (loop as Loop)[INTERNALS].posts;
}

/** @throws `ERR_INVALID_ARG_TYPE` when `loop` is not an `IOLoop`, or that of another copy of the package. */
export function checkLoop<L extends Loop>(loop: L): L {
  insideOf(loop);
  return loop;
}

/** @throws As {@link checkLoop}; `ERR_IOLOOP_CLOSED`. */
export function internalsOf(loop: Loop): LoopInternals {
  const internals = insideOf(loop);
  if (loop.closed) throw closedLoop();
  return internals;
}

function insideOf(loop: Loop): LoopInternals {
  const internals = (loop as Loop | null | undefined)?.[INTERNALS] as LoopInternals | undefined;
  if (internals !== undefined) return internals;
  const isOther = typeof loop === 'object' && (loop as Loop | null) !== null && 'callLater' in loop;
  throw invalidArgType('loop', loop, isOther ? OF_THIS_COPY : 'an IOLoop');
}

const OF_THIS_COPY = 'an IOLoop of this copy of ioloop, and not of a second one ("npm ls ioloop")';

/** @throws As {@link internalsOf}. */
export function ioOf(loop: Loop): LoopIO {
  return internalsOf(loop).io;
}

/**
 * Runs a loop of the package's own, which is not the current one between its turns: code of the program
 * does not see it. `onStopped` is called after the last turn. To be ended by `loop.stop()`.
 *
 * @throws `EMFILE` and the like.
 */
export function runAside(loop: Loop, onStopped: () => void): void {
  loop[INTERNALS].start(onStopped);
}
