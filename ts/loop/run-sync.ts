/** `runSync`: starts the loop, runs one function on it, and stops the loop. */
import { isThenable } from '../support/checks.js';
import { badYield, stoppedEarly, TimeoutError } from '../support/errors.js';
import type { INTERNALS } from '../support/internals.js';
import type { Callback } from './callback-queue.js';
import type { GuardedCall } from './guard.js';
import { guardOf, type LoopInternals } from './internals.js';
import type { CallKind } from './origins.js';
import type { Timeout } from './timeouts.js';

type Outcome<T> = { readonly value: T } | { readonly error: unknown };

/** The function of `runSync`. The signal aborts when the timeout expires. */
export type Main<T> = (signal: AbortSignal) => PromiseLike<T> | null | undefined | void;

/** The methods of an `IOLoop` that `runSync` needs; a subclass may override them. */
interface RunnableLoop {
  readonly closed: boolean;
  readonly [INTERNALS]: LoopInternals;
  start(): Promise<void>;
  stop(): void;
  addCallback(callback: () => void): void;
  callLater<A extends unknown[]>(
    delay: number,
    callback: (...args: A) => void,
    ...args: A
  ): Timeout;
  removeTimeout(timeout: Timeout): void;
}

/** See `IOLoop.runSync`, which has checked that the loop can be started. `timeout` in seconds. */
export async function runSync<T>(
  loop: RunnableLoop,
  main: Main<T>,
  timeout: number | null,
): Promise<T | undefined> {
  const run = new Run(loop, main);
  let handle: Timeout | null = null;
  try {
    loop.addCallback(run.begin);
    if (timeout !== null) handle = loop.callLater(timeout, run.expire, Math.max(timeout, 0));
    await loop.start();
  } finally {
    // The callback may be left in the queue: a method of a subclass has thrown, or start() has.
    run.over = true;
    if (handle !== null) loop.removeTimeout(handle);
  }
  return run.conclude(timeout);
}

/** One call of a main function on a loop. */
class Run<T> implements GuardedCall<AbortSignal, undefined> {
  /** The loop has stopped. A result that comes later is dropped. */
  over = false;

  readonly #loop: RunnableLoop;
  readonly #main: Main<T>;
  readonly #controller = new AbortController();
  #outcome: Outcome<T | undefined> | null = null;
  #timedOut = false;

  constructor(loop: RunnableLoop, main: Main<T>) {
    this.#loop = loop;
    this.#main = main;
  }

  readonly begin = (): void => {
    if (!this.over) guardOf(this.#loop).enter(this, this.#controller.signal, undefined);
  };

  subject(): { kind: CallKind; func: Callback } {
    return { kind: 'function of runSync', func: this.#main };
  }

  call(signal: AbortSignal): unknown {
    const main = this.#main;
    const result: unknown = main(signal);
    if (result === undefined || result === null) return undefined;
    if (!isThenable(result)) throw badYield(result);
    return result;
  }

  onReturn(value: unknown): void {
    this.#settle({ value: value as T | undefined });
  }

  onFailure(error: unknown): void {
    this.#settle({ error });
  }

  /**
   * The timeout has expired: aborts the signal, and gives the function time to clean up. A function
   * that takes the signal has as long again; one that does not has a turn.
   */
  readonly expire = (grace: number): void => {
    if (this.#outcome !== null) return;
    this.#timedOut = true;
    this.#controller.abort(new TimeoutError('The timeout of runSync() has expired'));
    this.#loop.callLater(this.#main.length === 0 ? 0 : grace, this.#stop);
  };

  /** @throws The error of the function, or the `TimeoutError`, or `ERR_IOLOOP_STOPPED`. */
  conclude(timeout: number | null): T | undefined {
    const outcome = this.#outcome;
    if (this.#timedOut) {
      const cause = outcome !== null && 'error' in outcome ? outcome.error : undefined;
      throw new TimeoutError(`Operation timed out after ${timeout} seconds`, { cause });
    }
    if (outcome === null) throw stoppedEarly();
    if ('error' in outcome) throw outcome.error;
    return outcome.value;
  }

  /** The loop stops one turn after the result, as Tornado's does. */
  #settle(outcome: Outcome<T | undefined>): void {
    if (this.#outcome !== null || this.over) return;
    this.#outcome = outcome;
    this.#loop.addCallback(this.#stop);
  }

  readonly #stop = (): void => {
    if (!this.over) this.#loop.stop();
  };
}
