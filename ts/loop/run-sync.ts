/** `runSync`: start the loop, run one function on it, stop the loop. */
import { badYield, stoppedEarly, TimeoutError } from '../support/errors.js';
import type { IOLoop } from './ioloop.js';
import { isThenable } from './isolation.js';

type Outcome<T> = { readonly value: T } | { readonly error: unknown };

/** What `runSync` runs: it gets the signal that a timeout aborts. */
export type Main<T> = (signal: AbortSignal) => PromiseLike<T> | null | undefined | void;

/** See `IOLoop.runSync`, which has checked that the loop can be started. */
export async function runSync<T>(
  loop: IOLoop,
  main: Main<T>,
  timeout: number | null,
): Promise<T | undefined> {
  const run = new Run(loop, main);
  loop.addCallback(run.begin);
  const handle =
    timeout === null ? null : loop.callLater(timeout, run.expire, Math.max(timeout, 0));
  try {
    await loop.start();
  } finally {
    run.over = true;
    if (handle !== null) loop.removeTimeout(handle);
  }
  return run.conclude(timeout);
}

/** One call of a main function on a loop. */
class Run<T> {
  /** The loop has stopped: what settles later is nobody's any more. */
  over = false;

  readonly #loop: IOLoop;
  readonly #main: Main<T>;
  readonly #controller = new AbortController();
  #outcome: Outcome<T | undefined> | null = null;
  #timedOut = false;

  constructor(loop: IOLoop, main: Main<T>) {
    this.#loop = loop;
    this.#main = main;
  }

  readonly begin = (): void => {
    if (this.over) return;
    try {
      const result: unknown = this.#main(this.#controller.signal);
      if (result === undefined || result === null) this.#settle({ value: undefined });
      else if (isThenable(result)) this.#await(result as PromiseLike<T>);
      else this.#settle({ error: badYield(result) });
    } catch (error) {
      this.#settle({ error });
    }
  };

  /**
   * The time is up: the signal aborts, and the function gets a last chance to end in order. One
   * that takes the signal has as long again; one that does not could not notice, and has a turn.
   */
  readonly expire = (grace: number): void => {
    if (this.#outcome !== null) return;
    this.#timedOut = true;
    this.#controller.abort(new TimeoutError('The timeout of runSync() has expired'));
    this.#loop.callLater(this.#main.length === 0 ? 0 : grace, this.#stop);
  };

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

  #await(result: PromiseLike<T>): void {
    result.then(
      (value) => {
        this.#settle({ value });
      },
      (error: unknown) => {
        this.#settle({ error });
      },
    );
  }

  /** The loop stops one turn after the result is there, as Tornado's does. */
  #settle(outcome: Outcome<T | undefined>): void {
    if (this.#outcome !== null || this.over) return;
    this.#outcome = outcome;
    this.#loop.addCallback(this.#stop);
  }

  readonly #stop = (): void => {
    if (!this.over) this.#loop.stop();
  };
}
