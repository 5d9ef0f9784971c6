/** Options of a loop, and their check. */
import { checkBoolean } from '../support/checks.js';
import { secondsOf, type Duration } from '../support/duration.js';
import { environment } from '../support/environment.js';
import { invalidArgType, outOfRange } from '../support/errors.js';
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
  /**
   * After events, the loop polls for up to so many seconds, or as a duration, before it sleeps: an
   * answer that comes meanwhile is not delayed by a sleep and a wake-up. At most 0.001; by default 0, no
   * polling. A poll takes the core; polls without an event become rare by themselves, down to 1 of 65
   * sleeps. Node's timers and I/O are served as ever. `docs/loop-iteration.md` has the steps, and says
   * when it pays.
   *
   * Only with the driver `libuv`; others sleep at once. `loop.metrics()` counts the polls.
   */
  readonly busyPoll?: number | Duration | undefined;
}

/** Options of `IOLoop.runSync()`. */
export interface RunSyncOptions {
  /** Longest run of the function, in seconds or as a duration. By default unlimited. */
  readonly timeout?: number | Duration | undefined;
}

/** Options of an `IOLoop`, checked. */
export interface CheckedLoopOptions {
  readonly makeCurrent: boolean | undefined;
  readonly timeFunc: () => number;
  readonly debug: boolean;
  /** Seconds; 0 for none. */
  readonly busyPoll: number;
}

/** @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`; for a duration `ERR_INVALID_ARG_VALUE`. */
export function checkLoopOptions(options: IOLoopOptions): CheckedLoopOptions {
  const { makeCurrent, timeFunc = epochSeconds, debug, busyPoll } = options;
  if (typeof timeFunc !== 'function') throw invalidArgType('timeFunc', timeFunc, 'a function');
  if (makeCurrent !== undefined && typeof makeCurrent !== 'boolean') {
    throw invalidArgType('makeCurrent', makeCurrent, 'a boolean');
  }
  return {
    makeCurrent,
    timeFunc,
    debug: checkBoolean('debug', debug, isDebugEnvironment()),
    busyPoll: checkBusyPoll(busyPoll),
  };
}

function checkBusyPoll(value: number | Duration = 0): number {
  const seconds = secondsOf(value, 'busyPoll');
  if (!(seconds >= 0 && seconds <= LONGEST_BUSY_POLL)) {
    throw outOfRange('busyPoll', value, `from 0 to ${LONGEST_BUSY_POLL} seconds`);
  }
  return seconds;
}

/** Longer ones are a mistake in the unit. */
const LONGEST_BUSY_POLL = 0.001;

/** Whether `IOLOOP_DEBUG` is set. Read for each loop: a worker may have an environment of its own. */
function isDebugEnvironment(): boolean {
  const value = environment('IOLOOP_DEBUG') ?? '';
  return value !== '' && value !== '0';
}
