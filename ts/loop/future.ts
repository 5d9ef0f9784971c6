/** `Future`: the settled result that `addFuture` passes to its callback. */

import { INSPECT, viewOf } from '../support/inspect.js';

/** A result or a failure. It is settled always, unlike a Future of Tornado. */
export class Future<T> {
  readonly #failed: boolean;
  readonly #value: unknown;

  private constructor(failed: boolean, value: unknown) {
    this.#failed = failed;
    this.#value = value;
  }

  /** A future with a result. */
  static resolved<T>(value: T): Future<T> {
    return new Future<T>(false, value);
  }

  /** A future that failed with `reason`. */
  static rejected<T = never>(reason: unknown): Future<T> {
    return new Future<T>(true, reason);
  }

  /** The result. @throws The reason, if it failed. */
  result(): T {
    if (this.#failed) throw this.#value;
    return this.#value as T;
  }

  /** The reason of the failure; `null` if there is a result. */
  exception(): unknown {
    return this.#failed ? this.#value : null;
  }

  /** Always true. */
  done(): true {
    return true;
  }

  /** @internal For `util.inspect`. */
  [INSPECT](): object {
    if (!(#failed in this)) return viewOf(this, {});
    const outcome = this.#failed ? { exception: this.#value } : { result: this.#value };
    return viewOf(this, outcome);
  }
}
