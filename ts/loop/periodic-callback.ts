/** `PeriodicCallback`: calls a function periodically. */
import { checkOptions } from '../support/checks.js';
import { durationSeconds, isDurationLike, type Duration } from '../support/duration.js';
import { invalidArgType, outOfRange } from '../support/errors.js';
import { INSPECT, viewOf } from '../support/inspect.js';
import type { Callback } from './callback-queue.js';
import type { GuardedCall } from './guard.js';
import { guardOf } from './internals.js';
import { IOLoop } from './ioloop.js';
import type { CallKind } from './origins.js';
import type { Timeout } from './timeouts.js';

/** Options of {@link PeriodicCallback}. */
export interface PeriodicCallbackOptions {
  /**
   * From 0 to 1: each call is moved at random by up to this part of half a period, in either
   * direction. The grid does not move. By default 0.
   */
  readonly jitter?: number | undefined;
}

/**
 * Calls a callback every `callbackTime` **milliseconds** (most other times are in seconds), or every
 * {@link Duration}; first one period after {@link start}.
 *
 * The calls are on a grid that begins with {@link start}. If the callback, or the promise that it
 * returns, takes longer than a period, the calls that are due meanwhile are skipped: calls never
 * overlap. An exception or a rejection goes to {@link IOLoop.handleCallbackException}, and the
 * callback is called again.
 *
 * Differs from Tornado: jitter does not accumulate.
 */
export class PeriodicCallback {
  readonly #callback: () => unknown;
  /** Seconds. */
  readonly #period: number;
  readonly #jitter: number;
  #run: Run | null = null;

  /**
   * @throws `ERR_OUT_OF_RANGE` if `callbackTime` is not finite and above 0, or `jitter` not from 0
   * to 1; `ERR_INVALID_ARG_TYPE`.
   */
  constructor(
    callback: () => unknown,
    callbackTime: number | Duration,
    options: PeriodicCallbackOptions = {},
  ) {
    if (typeof callback !== 'function') throw invalidArgType('callback', callback, 'a function');
    checkOptions(options);
    this.#callback = callback;
    this.#period = periodSeconds(callbackTime);
    this.#jitter = checkJitter(options.jitter ?? 0);
  }

  /** Starts the timer on the current loop. Does nothing if it is started. */
  start(): void {
    this.#run ??= new Run(IOLoop.current(), this.#callback, this.#period, this.#jitter);
  }

  /** Stops the timer. May be called in the callback, and before {@link start}. */
  stop(): void {
    this.#run?.stop();
    this.#run = null;
  }

  /** Whether the timer is started. */
  isRunning(): boolean {
    return this.#run !== null;
  }

  /** @internal For `util.inspect`. */
  [INSPECT](): object {
    return viewOf(this, #period in this ? this.#view() : {});
  }

  #view(): object {
    return {
      running: this.isRunning(),
      callbackTime: 1e3 * this.#period,
      jitter: this.#jitter,
      callback: this.#callback,
    };
  }
}

/** One run of a timer, from start to stop. A promise of the callback may settle after the stop. */
class Run implements GuardedCall<undefined, undefined> {
  readonly #loop: IOLoop;
  readonly #callback: () => unknown;
  readonly #period: number;
  readonly #jitter: number;
  /** The point of the grid of the next call, or of the call that runs; seconds. */
  #point: number;
  #timeout: Timeout | null;

  constructor(loop: IOLoop, callback: () => unknown, period: number, jitter: number) {
    this.#loop = loop;
    this.#callback = callback;
    this.#period = period;
    this.#jitter = jitter;
    this.#point = loop.time();
    this.#timeout = this.#next();
  }

  stop(): void {
    if (this.#timeout !== null) this.#loop.removeTimeout(this.#timeout);
    this.#timeout = null;
  }

  readonly #fire = (): void => {
    guardOf(this.#loop).enter(this, undefined, undefined);
  };

  subject(): { kind: CallKind; func: Callback } {
    return { kind: 'periodic callback', func: this.#callback };
  }

  call(): unknown {
    // Without a receiver: the callback is not a method of this object.
    const callback = this.#callback;
    return callback();
  }

  onReturn(): void {
    // A method of a subclass may throw, after a promise as well, where nothing would catch it.
    guardOf(this.#loop).attempt(scheduleNext, this);
  }

  /** Schedules the next call, unless the timer is stopped. */
  scheduleNext(): void {
    if (this.#timeout !== null && !this.#loop.closed) this.#timeout = this.#next();
  }

  onFailure(error: unknown): void {
    guardOf(this.#loop).fail(this.#callback, error);
    this.onReturn();
  }

  #next(): Timeout {
    const now = this.#loop.time();
    const missed = Math.max(Math.floor((now - this.#point) / this.#period), 0);
    this.#point += (missed + 1) * this.#period;
    const spread = this.#jitter * this.#period * (Math.random() - 0.5);
    return this.#loop.callAt(this.#point + spread, this.#fire);
  }
}

function scheduleNext(run: Run): void {
  run.scheduleNext();
}

function periodSeconds(callbackTime: number | Duration): number {
  if (typeof callbackTime !== 'number' && !isDurationLike(callbackTime)) {
    throw invalidArgType('callbackTime', callbackTime, 'a number of milliseconds or a duration');
  }
  const seconds =
    typeof callbackTime === 'number'
      ? callbackTime / 1e3
      : durationSeconds(callbackTime, 'callbackTime');
  if (!(seconds > 0 && seconds < Number.POSITIVE_INFINITY)) {
    throw outOfRange('callbackTime', callbackTime, 'finite and above 0');
  }
  return seconds;
}

function checkJitter(jitter: number): number {
  if (typeof jitter !== 'number') throw invalidArgType('jitter', jitter, 'a number');
  if (!(jitter >= 0 && jitter <= 1)) throw outOfRange('jitter', jitter, 'from 0 to 1');
  return jitter;
}
