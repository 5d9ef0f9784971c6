/**
 * `node:timers`: timeouts that are objects, and immediates as messages of a channel, which come before
 * timers and are not delayed to 4 ms as nested timers are.
 */

type Callback = () => void;

/** Ports as browsers have them. */
interface Ports {
  readonly port1: { addEventListener(event: 'message', listener: Callback): void; start(): void };
  readonly port2: { postMessage(message: null): void };
}

class Timeout {
  /** Kept by a minifier. */
  static readonly name = 'Timeout';
  readonly #callback: Callback;
  readonly #delay: number;
  #id: number;

  constructor(callback: Callback, delay: number) {
    this.#callback = callback;
    this.#delay = delay;
    this.#id = start(callback, delay);
  }

  refresh(): this {
    stop(this.#id);
    this.#id = start(this.#callback, this.#delay);
    return this;
  }

  close(): void {
    stop(this.#id);
  }

  /** A page lives without timers. */
  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }
}

class Immediate {
  /** `support/host.ts` recognises the class by its name, which a minifier would change. */
  static readonly name = 'Immediate';
  callback: Callback | null;

  constructor(callback: Callback) {
    this.callback = callback;
  }
}

const start = globalThis.setTimeout.bind(globalThis) as unknown as (
  callback: Callback,
  delay: number,
) => number;
const stop = globalThis.clearTimeout.bind(globalThis) as (id: number) => void;

const { port1, port2 } = new MessageChannel() as unknown as Ports;
const waiting: Immediate[] = [];

port1.addEventListener('message', () => {
  const callback = waiting.shift()?.callback;
  callback?.();
});
port1.start();

export default {
  setTimeout: <Args extends unknown[]>(
    callback: (...args: Args) => void,
    delay: number,
    ...args: Args
  ): Timeout => new Timeout(() => callback(...args), delay),
  clearTimeout: (timeout: Timeout | undefined): void => timeout?.close(),
  setImmediate: <Args extends unknown[]>(
    callback: (...args: Args) => void,
    ...args: Args
  ): Immediate => {
    const immediate = new Immediate(() => callback(...args));
    waiting.push(immediate);
    port2.postMessage(null);
    return immediate;
  },
  clearImmediate: (immediate: Immediate): void => {
    immediate.callback = null;
  },
};
