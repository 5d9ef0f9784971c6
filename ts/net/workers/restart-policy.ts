/** When a crashed worker is replaced, and when no more. */
import { checkInteger, checkOptions } from '../../support/checks.js';
import { secondsOf, type Duration } from '../../support/duration.js';
import { invalidArgType, outOfRange } from '../../support/errors.js';

/** The option `restart` of {@link serveWorkers}. */
export interface RestartOptions {
  /**
   * Most replacements of crashed workers within `window`, of all workers together; by default 100. When
   * one more crashes, the group fails with `ERR_IOLOOP_WORKERS_FAILED`.
   */
  readonly maxRestarts?: number | undefined;
  /** In seconds or as a duration; by default the whole time of the group, as in Tornado. */
  readonly window?: number | Duration | undefined;
  /**
   * Time before the second replacement in a row, in seconds or as a duration; by default 0.1. It doubles
   * with each further one. The first one comes at once.
   */
  readonly minDelay?: number | Duration | undefined;
  /**
   * Longest time before a replacement; by default 10 s. A worker that lives longer than this is well:
   * its next crash is the first one again.
   */
  readonly maxDelay?: number | Duration | undefined;
}

/** The checked options. */
export interface RestartPolicy {
  readonly maxRestarts: number;
  /** Seconds. */
  readonly window: number;
  readonly minDelay: number;
  readonly maxDelay: number;
}

/** @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`. */
export function restartPolicy(restart: boolean | RestartOptions | undefined): RestartPolicy {
  if (restart === undefined || restart === true) return DEFAULTS;
  if (restart === false) return { ...DEFAULTS, maxRestarts: 0 };
  if (typeof restart !== 'object') {
    throw invalidArgType('restart', restart, 'a boolean or an object');
  }
  checkOptions(restart);
  const { maxRestarts, window, minDelay, maxDelay } = restart;
  const policy = {
    maxRestarts: checkMaxRestarts(maxRestarts),
    window: checkSeconds('window', window, DEFAULTS.window),
    minDelay: checkSeconds('minDelay', minDelay, DEFAULTS.minDelay),
    maxDelay: checkSeconds('maxDelay', maxDelay, DEFAULTS.maxDelay),
  };
  if (policy.minDelay <= policy.maxDelay && policy.maxDelay < Infinity) return policy;
  throw outOfRange('restart.maxDelay', maxDelay, `finite and at least ${policy.minDelay}`);
}

/** `undefined` is the default. @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`. */
export function checkMaxRestarts(maxRestarts: number | undefined): number {
  if (maxRestarts === undefined) return DEFAULTS.maxRestarts;
  if (maxRestarts === Infinity) return maxRestarts;
  return checkInteger('maxRestarts', maxRestarts, 0, Number.MAX_SAFE_INTEGER);
}

/** The restarts of one group. Times are in seconds, of any clock that does not step back. */
export class Restarts {
  readonly #policy: RestartPolicy;
  /** Of the replacements within the window, the oldest first. */
  readonly #times: number[] = [];
  /** By task: its crashes in a row. */
  readonly #inRow = new Map<number, number>();

  constructor(policy: RestartPolicy) {
    this.#policy = policy;
  }

  /**
   * A worker of `task` that has lived for `lifetime` seconds has crashed: the delay until its
   * replacement in seconds, or `null` if there is none.
   */
  next(task: number, now: number, lifetime: number): number | null {
    const { maxRestarts, window, minDelay, maxDelay } = this.#policy;
    const times = this.#times;
    while (times.length > 0 && (times[0] as number) <= now - window) times.shift();
    if (times.length >= maxRestarts) return null;
    if (maxRestarts !== Infinity) times.push(now);
    const before = lifetime > maxDelay ? 0 : (this.#inRow.get(task) ?? 0);
    this.#inRow.set(task, before + 1);
    return before === 0 ? 0 : Math.min(minDelay * 2 ** (before - 1), maxDelay);
  }
}

const DEFAULTS: RestartPolicy = { maxRestarts: 100, window: Infinity, minDelay: 0.1, maxDelay: 10 };

function checkSeconds(
  name: string,
  value: number | Duration | undefined,
  otherwise: number,
): number {
  if (value === undefined) return otherwise;
  const seconds = secondsOf(value, `restart.${name}`);
  if (seconds >= 0) return seconds;
  throw outOfRange(`restart.${name}`, value, 'at least 0');
}
