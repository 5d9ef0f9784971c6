/** Options of a loop, and their check. */
import { checkBoolean } from '../support/checks.js';
import type { Duration } from '../support/duration.js';
import { environment } from '../support/environment.js';
import { invalidArgType } from '../support/errors.js';
import { epochSeconds } from './clock.js';

/** Options of an `IOLoop`. */
export interface IOLoopOptions {
  /**
   * Whether the loop becomes current. `true` throws if there is a current loop; `false` leaves the
   * current loop as it is. By default the loop becomes current if there is none.
   */
  readonly makeCurrent?: boolean | undefined;
  /**
   * The clock of the loop, in seconds from any reference point. By default `Date.now() / 1000` at
   * the start of the process, and monotonic from there.
   *
   * The clock may step in either direction. The loop notices in its next turn; adding a callback or
   * a timeout causes one. If it throws, or returns anything but a finite number, the failure goes to
   * `handleCallbackException` (at most once a second, less often while it lasts) and the last good
   * time is used.
   */
  readonly timeFunc?: (() => number) | undefined;
  /**
   * Debug mode: the loop records where functions are handed to it, and reports slow callbacks,
   * writes that fail unnoticed, and more; see `docs/debugging.md`. By default whether `IOLOOP_DEBUG`
   * is set in the environment, and neither empty nor `0`. It costs several microseconds for each
   * callback, timeout, handler, read and write.
   */
  readonly debug?: boolean | undefined;
}

/** Options of `IOLoop.runSync()`. */
export interface RunSyncOptions {
  /** Longest run of the function, in seconds or as a duration. By default unlimited. */
  readonly timeout?: number | Duration | undefined;
}

/** @throws `ERR_INVALID_ARG_TYPE`. */
export function checkLoopOptions({ makeCurrent, timeFunc = epochSeconds, debug }: IOLoopOptions): {
  readonly makeCurrent: boolean | undefined;
  readonly timeFunc: () => number;
  readonly debug: boolean;
} {
  if (typeof timeFunc !== 'function') throw invalidArgType('timeFunc', timeFunc, 'a function');
  if (makeCurrent !== undefined && typeof makeCurrent !== 'boolean') {
    throw invalidArgType('makeCurrent', makeCurrent, 'a boolean');
  }
  return { makeCurrent, timeFunc, debug: checkBoolean('debug', debug, isDebugEnvironment()) };
}

/** Whether `IOLOOP_DEBUG` is set. Read for each loop: a worker may have an environment of its own. */
function isDebugEnvironment(): boolean {
  const value = environment('IOLOOP_DEBUG') ?? '';
  return value !== '' && value !== '0';
}
