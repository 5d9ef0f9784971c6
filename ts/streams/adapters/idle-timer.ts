/**
 * The idle timeout of a duplex, with the rules of `net.Socket.setTimeout`.
 *
 * `node:http` starts and stops it with each request, so that neither arms a timer: one of the host stays
 * armed, and looks at the clock when it expires.
 *
 * | State    | The host's timer            | Next |
 * | -------- | --------------------------- | ---- |
 * | off      | may be armed, does nothing  | counting: `start` |
 * | counting | is armed, for the end of the period or before | off: `stop`; idle: a period without activity |
 * | idle     | is not armed                | counting: activity, `start`; off: `stop` |
 */
import { capture, type Context } from '../../loop/async-context.js';
import { invalidArgType, outOfRange } from '../../support/errors.js';
import { clearTimeout, monotonic, setTimeout } from '../../support/host.js';

const enum State {
  Off,
  Counting,
  Idle,
}

/** Calls `onIdle` after a period without activity, and once more only after further activity. */
export class IdleTimer {
  readonly #onIdle: () => void;
  readonly #unsent: () => number;
  #state = State.Off;
  /** Milliseconds. */
  #period = 0;
  /** The last activity, and when the host's timer expires, by the host's clock. */
  #last = 0;
  #expiry = 0;
  /** Of the host; `null` while it is not armed. It runs in the context in which it was armed. */
  #timer: NodeJS.Timeout | null = null;
  #context: Context = null;
  /** Unsent bytes at the last check. */
  #lastUnsent = 0;

  /** `unsent` returns the number of unsent bytes: while it decreases, the duplex is not idle. */
  constructor(onIdle: () => void, unsent: () => number) {
    this.#onIdle = onIdle;
    this.#unsent = unsent;
  }

  /** Begins a period. */
  start(milliseconds: number): void {
    this.#state = State.Counting;
    this.#period = milliseconds;
    this.#last = monotonic();
    this.#lastUnsent = 0;
    const context = capture();
    const isUsable = this.#timer !== null && this.#expiry <= this.#last + milliseconds;
    if (isUsable && context === null && this.#context === null) return;
    this.#disarm();
    this.#context = context;
    this.#arm(milliseconds);
  }

  /** No call follows, until {@link start}. */
  stop(): void {
    this.#state = State.Off;
  }

  /** There was activity, now or when `clock` says: the period begins again. */
  restart(clock = monotonic): void {
    if (this.#state === State.Off) return;
    this.#last = clock();
    if (this.#state !== State.Idle) return;
    this.#state = State.Counting;
    this.#arm(this.#period);
  }

  /** {@link stop}, for good. */
  clear(): void {
    this.#state = State.Off;
    this.#disarm();
  }

  #arm(milliseconds: number): void {
    this.#timer = setTimeout(this.#expire, milliseconds).unref();
    this.#expiry = monotonic() + milliseconds;
  }

  #disarm(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  readonly #expire = (): void => {
    this.#timer = null;
    if (this.#state !== State.Counting) return;
    const now = monotonic();
    const left = this.#last + this.#period - now;
    // The host counts whole milliseconds, and may be early by a part of one.
    if (left >= 1) {
      this.#arm(Math.ceil(left));
      return;
    }
    const unsent = this.#unsent();
    if (unsent > 0 && unsent !== this.#lastUnsent) {
      this.#lastUnsent = unsent;
      this.#last = now;
      this.#arm(this.#period);
      return;
    }
    this.#state = State.Idle;
    this.#onIdle();
  };
}

/**
 * A period for `setTimeout`, checked as in Node; a period that is too long becomes the longest.
 *
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`.
 */
export function idlePeriod(milliseconds: unknown): number {
  if (typeof milliseconds !== 'number') throw invalidArgType('msecs', milliseconds, 'a number');
  if (!Number.isFinite(milliseconds) || milliseconds < 0) {
    throw outOfRange('msecs', milliseconds, 'a non-negative finite number');
  }
  return Math.min(milliseconds, LONGEST);
}

const LONGEST = 2 ** 31 - 1;
