/** How long one waits for something: a timeout, an `AbortSignal`, or both. */
import {
  throwIfAborted,
  unwatchSignal,
  watchSignal,
  type Abortable,
} from '../support/abort-signal.js';
import { secondsOf, type Duration } from '../support/duration.js';
import { invalidArgType, TimeoutError } from '../support/errors.js';
import type { IOLoop } from './ioloop.js';
import type { Timeout } from './timeouts.js';

/** Options of every call that waits. */
export interface WaitOptions {
  /**
   * The longest to wait, in seconds or as a duration; then a `TimeoutError`. By default unlimited.
   * It passes on the loop's clock, while the loop runs.
   */
  readonly timeout?: number | Duration | undefined;
  /**
   * Aborting it gives up the wait, with its reason. One signal may be given to any number of calls:
   * it has one listener while there are waits, and none afterwards.
   */
  readonly signal?: AbortSignal | undefined;
}

/** One limited wait: calls `expire` at most once, unless {@link done} comes first. */
export class Wait implements Abortable {
  readonly #loop: IOLoop;
  readonly #signal: AbortSignal | undefined;
  #expire: ((error: unknown) => void) | null;
  #timeout: Timeout | null = null;

  /**
   * `what` begins the message of the error.
   *
   * @throws `ERR_INVALID_ARG_TYPE`, or the reason of a signal that has aborted already.
   */
  constructor(loop: IOLoop, options: WaitOptions, what: string, expire: (error: unknown) => void) {
    const { signal } = options;
    const seconds = checkWait(options);
    throwIfAborted(signal);
    this.#loop = loop;
    this.#signal = signal;
    this.#expire = expire;
    if (signal !== undefined) watchSignal(signal, this);
    if (seconds !== Infinity) {
      this.#timeout = loop.callLater(seconds, () => {
        this.#end(new TimeoutError(`${what} timed out after ${seconds} seconds`));
      });
    }
  }

  /** What was waited for has come. */
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

/** Whether there is anything to wait by. */
export function isLimited(options: WaitOptions | undefined): options is WaitOptions {
  return options !== undefined && (options.timeout !== undefined || options.signal !== undefined);
}

/**
 * What `begin` gives, or the failure of the wait. It is not called when the options are wrong or the
 * signal is aborted; otherwise what was begun goes on when the wait is given up.
 */
export function limited<T>(
  loop: IOLoop,
  options: WaitOptions | undefined,
  what: string,
  begin: () => Promise<T>,
): Promise<T> {
  if (!isLimited(options)) return begin();
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
 * The seconds of the longest wait, whether a signal is aborted or not.
 *
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`.
 */
export function checkWait({ timeout, signal }: WaitOptions): number {
  const seconds = timeout === undefined ? Infinity : secondsOf(timeout, 'timeout');
  if (signal !== undefined && !isSignal(signal)) {
    throw invalidArgType('signal', signal, 'an AbortSignal');
  }
  return seconds;
}

/** As Node checks one: it need not be of this realm. */
function isSignal(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || !('aborted' in value)) return false;
  return typeof (value as Partial<AbortSignal>).addEventListener === 'function';
}
