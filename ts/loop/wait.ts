/** The limits of a wait: a timeout, an `AbortSignal`, or both. */
import {
  throwIfAborted,
  unwatchSignal,
  watchSignal,
  type Abortable,
} from '../support/abort-signal.js';
import { checkOptions } from '../support/checks.js';
import { secondsOf, type Duration } from '../support/duration.js';
import { invalidArgType, TimeoutError } from '../support/errors.js';
import type { IOLoop } from './ioloop.js';
import type { Timeout } from './timeouts.js';

/** Options of every call that waits. */
export interface WaitOptions {
  /**
   * Longest wait, in seconds or as a duration; then the call rejects with a `TimeoutError`. By
   * default unlimited. It is measured by the loop's clock, and expires only while the loop runs.
   */
  readonly timeout?: number | Duration | undefined;
  /**
   * Its abort ends the wait: the call rejects with its reason. Any number of calls may share a
   * signal; it has one listener while there are waits, and none afterwards.
   */
  readonly signal?: AbortSignal | undefined;
}

/** One limited wait. Calls `expire` at most once, and not after {@link done}. */
export class Wait implements Abortable {
  readonly #loop: IOLoop;
  readonly #signal: AbortSignal | undefined;
  #expire: ((error: unknown) => void) | null;
  #timeout: Timeout | null = null;

  /**
   * The message of the `TimeoutError` begins with `what`.
   *
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_IOLOOP_CLOSED`, or the reason of a signal that is aborted.
   */
  constructor(loop: IOLoop, options: WaitOptions, what: string, expire: (error: unknown) => void) {
    const { signal } = options;
    const seconds = checkWait(options);
    throwIfAborted(signal);
    this.#loop = loop;
    this.#signal = signal;
    this.#expire = expire;
    if (seconds !== Infinity) {
      this.#timeout = loop.callLater(seconds, () => {
        this.#end(new TimeoutError(`${what} timed out after ${seconds} seconds`));
      });
    }
    // Last: a closed loop has refused the timeout, and nothing would remove the listener.
    if (signal !== undefined) watchSignal(signal, this);
  }

  /** Ends the wait without `expire`. */
  done(): void {
    this.#expire = null;
    if (this.#timeout !== null) this.#loop.removeTimeout(this.#timeout);
    this.#timeout = null;
    if (this.#signal !== undefined) unwatchSignal(this.#signal, this);
  }

  onAbort(reason: unknown): void {
    this.#end(reason);
  }

  #end(error: unknown): void {
    const expire = this.#expire;
    this.done();
    expire?.(error);
  }
}

/** Whether the options have a limit. */
export function isLimited(options: WaitOptions | undefined): options is WaitOptions {
  return options !== undefined && (options.timeout !== undefined || options.signal !== undefined);
}

/**
 * Settles as the promise of `begin()`, or rejects when a limit is reached. The operation is not
 * cancelled then. `begin` is not called if an option is wrong or the signal is aborted.
 */
export function limited<T>(
  loop: IOLoop,
  options: WaitOptions | undefined,
  what: string,
  begin: () => Promise<T>,
): Promise<T> {
  if (options === undefined) return begin();
  try {
    checkOptions(options);
    if (!isLimited(options)) return begin();
  } catch (error) {
    return Promise.reject(error as Error);
  }
  return new Promise<T>((resolve, reject) => {
    const wait = new Wait(loop, options, what, reject);
    begin().then(
      (value) => {
        wait.done();
        resolve(value);
      },
      (error: unknown) => {
        wait.done();
        reject(error as Error);
      },
    );
  });
}

/**
 * The timeout in seconds. Accepts a signal that is aborted.
 *
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`.
 */
export function checkWait(options: WaitOptions): number {
  checkOptions(options);
  const { timeout, signal } = options;
  const seconds = timeout === undefined ? Infinity : secondsOf(timeout, 'timeout');
  if (signal !== undefined && !isSignal(signal)) {
    throw invalidArgType('signal', signal, 'an AbortSignal');
  }
  return seconds;
}

/** As Node checks one: it may be of another realm. */
function isSignal(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || !('aborted' in value)) return false;
  return typeof (value as Partial<AbortSignal>).addEventListener === 'function';
}
