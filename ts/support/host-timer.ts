/** A timer of the host that calls one function, and is set again for each sleep. */
import { clearTimeout, setTimeout } from './host.js';

export class HostTimer {
  readonly #callback: () => void;
  #timer: NodeJS.Timeout | null = null;

  constructor(callback: () => void) {
    this.#callback = callback;
  }

  /** Calls back once after `milliseconds`, rounded up; at the latest after {@link LONGEST_DELAY}. */
  set(milliseconds: number): void {
    this.clear();
    const delay = Math.min(Math.max(Math.ceil(milliseconds), 0), LONGEST_DELAY);
    this.#timer = setTimeout(this.#callback, delay);
  }

  clear(): void {
    if (this.#timer === null) return;
    clearTimeout(this.#timer);
    this.#timer = null;
  }
}

/** The limit of the host's `setTimeout()`, about 25 days. */
const LONGEST_DELAY = 0x7fff_ffff;
