/** The idle timeout of a duplex, with the rules of `net.Socket.setTimeout`. */
import { invalidArgType, outOfRange } from '../../support/errors.js';
import { clearTimeout, setTimeout } from '../../support/host.js';

/** Calls `onIdle` after a period without activity, and once more only after further activity. */
export class IdleTimer {
  readonly #onIdle: () => void;
  readonly #unsent: () => number;
  #timer: NodeJS.Timeout | null = null;
  /** Unsent bytes at the last check. */
  #lastUnsent = 0;

  /** `unsent` returns the number of unsent bytes: while it decreases, the duplex is not idle. */
  constructor(milliseconds: number, onIdle: () => void, unsent: () => number) {
    this.#onIdle = onIdle;
    this.#unsent = unsent;
    this.#timer = setTimeout(this.#expire, milliseconds).unref();
  }

  /** Starts the period again. */
  restart(): void {
    this.#lastUnsent = this.#unsent();
    this.#timer?.refresh();
  }

  clear(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  readonly #expire = (): void => {
    const unsent = this.#unsent();
    if (unsent > 0 && unsent !== this.#lastUnsent) this.restart();
    else this.#onIdle();
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
