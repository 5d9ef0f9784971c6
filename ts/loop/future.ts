/** The settled result that `addFuture` hands to its callback. */

/** A result or a failure, settled. What Tornado's callbacks get as their `Future`. */
export class Future<T> {
  readonly #failed: boolean;
  readonly #value: unknown;

  private constructor(failed: boolean, value: unknown) {
    this.#failed = failed;
    this.#value = value;
  }

  /** A future that has a result. */
  static resolved<T>(value: T): Future<T> {
    return new Future<T>(false, value);
  }

  /** A future that has failed with `reason`. */
  static rejected<T = never>(reason: unknown): Future<T> {
    return new Future<T>(true, reason);
  }

  /** The result. @throws The reason, when it has failed. */
  result(): T {
    if (this.#failed) throw this.#value;
    return this.#value as T;
  }

  /** The reason it failed with; `null` when it has a result. */
  exception(): unknown {
    return this.#failed ? this.#value : null;
  }

  /** Always true: a callback gets a future that is finished. */
  done(): true {
    return true;
  }
}
