/** The connection attempt of a stream. */
import type { IOLoop } from '../loop/ioloop.js';
import { checkWait, Wait, type WaitOptions } from '../loop/wait.js';
import type { Address } from '../sockets/address.js';
import { throwIfAborted } from '../support/abort-signal.js';
import { Deferred } from '../support/deferred.js';
import { toError } from '../support/errors.js';

/** One attempt: its promise, and the limits of its wait. It ends with one call of its methods. */
export class ConnectionAttempt {
  readonly address: Address;
  readonly #value: unknown;
  readonly #wait: Wait | null;
  readonly #done = new Deferred<unknown>();

  /** `value` is the result. `wait` ends with the attempt. */
  constructor(value: unknown, address: Address, wait: Wait | null) {
    this.address = address;
    this.#value = value;
    this.#wait = wait;
  }

  get promise(): Promise<unknown> {
    return this.#done.promise;
  }

  succeed(): void {
    this.#wait?.done();
    this.#done.resolve(this.#value);
  }

  fail(error: Error): void {
    this.#wait?.done();
    this.#done.reject(error);
  }

  /** The attempt has not begun: its promise was not given away. */
  withdraw(): void {
    this.#wait?.done();
  }
}

/** The stream of an attempt. */
interface Connectable {
  readonly loop: IOLoop;
  assertUnconnected(): void;
  close(error: Error): void;
  closedError(): Error;
}

/**
 * The wait of an attempt that is about to begin: its timeout or abort closes the stream. A signal
 * that is aborted already does so at once.
 *
 * @throws The error of wrong options; the error of a stream that is closed or connected by then.
 */
export function connectWait(stream: Connectable, options: WaitOptions): Wait {
  const expire = (error: unknown): void => {
    stream.close(toError(error));
  };
  checkWait(options);
  try {
    throwIfAborted(options.signal);
  } catch (reason) {
    expire(reason);
    throw stream.closedError();
  }
  const wait = new Wait(stream.loop, options, 'connect', expire);
  try {
    // A getter of the options may have closed or connected the stream.
    stream.assertUnconnected();
  } catch (error) {
    wait.done();
    throw error;
  }
  return wait;
}
