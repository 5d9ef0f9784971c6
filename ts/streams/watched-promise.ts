/** Promises that notice whether the program uses them, in debug mode. */

/**
 * A promise that calls a function before its first `then()`. `await`, `catch()`, `Promise.all()` and
 * `return` in an async function all call `then()` of a subclass of `Promise`; of a plain `Promise`,
 * `await` does not. That call takes two microtasks more.
 */
export class WatchedPromise<T> extends Promise<T> {
  /** What is derived from it is not watched. */
  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }

  #onUse: (() => void) | null = null;

  /**
   * Settles as `promise`. A rejection for which `isQuiet` is true is not unhandled if nothing uses the
   * promise.
   */
  static of<T>(
    promise: Promise<T>,
    isQuiet: (error: unknown) => boolean,
    onUse: () => void,
  ): WatchedPromise<T> {
    const watched = new WatchedPromise<T>((resolve, reject) => {
      promise.then(resolve, (error: unknown) => {
        if (isQuiet(error)) watched.#quieten();
        reject(error as Error);
      });
    });
    watched.#onUse = onUse;
    return watched;
  }

  // oxlint-disable-next-line unicorn/no-thenable
  override then<R = T, E = never>(
    onResolved?: ((value: T) => R | PromiseLike<R>) | null,
    onRejected?: ((reason: unknown) => E | PromiseLike<E>) | null,
  ): Promise<R | E> {
    const onUse = this.#onUse;
    this.#onUse = null;
    onUse?.();
    return super.then(onResolved, onRejected);
  }

  #quieten(): void {
    void super.then(undefined, ignore);
  }
}

function ignore(): void {}
