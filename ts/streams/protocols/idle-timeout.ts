/** The idle timeout of a connection, on the wheel of its loop. */
import { internalsOf, type LoopInternals } from '../../loop/internals.js';
import type { IOLoop } from '../../loop/ioloop.js';
import type { Timeout } from '../../loop/timeouts.js';

/** A connection, for its timeout. */
export interface IdleOwner {
  /** Nothing has happened for the period. */
  onIdle(): void;
}

/**
 * Activity is a store, {@link IdleTimeout.last}: the timer looks at it when it expires, and is armed
 * again for the rest of the period. A busy connection costs one timer per period.
 */
export class IdleTimeout {
  /** When the connection was active last, in seconds of the loop's clock. */
  last: number;
  readonly #loop: LoopInternals;
  readonly #owner: IdleOwner;
  readonly #seconds: number;
  #timeout: Timeout;

  constructor(loop: IOLoop, seconds: number, owner: IdleOwner) {
    this.#loop = internalsOf(loop);
    this.#owner = owner;
    this.#seconds = seconds;
    this.last = this.#loop.time();
    this.#timeout = this.#arm();
  }

  /** The period begins again. */
  touch(): void {
    this.last = this.#loop.time();
  }

  /** No call follows. */
  cancel(): void {
    this.#loop.timeouts.remove(this.#timeout);
  }

  #arm(): Timeout {
    return this.#loop.addTimeout(this.last + this.#seconds, expire, [this], null);
  }

  /** Called by the timer. */
  expire(): void {
    const now = this.#loop.time();
    const isIdle = now - this.last >= this.#seconds;
    if (isIdle) this.last = now;
    // Before the function of the program, which may cancel it.
    this.#timeout = this.#arm();
    if (isIdle) this.#owner.onIdle();
  }
}

function expire(idle: IdleTimeout): void {
  idle.expire();
}
