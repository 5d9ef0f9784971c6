/** A promise with the functions that settle it. */

/** A promise, and the functions that settle it. */
export class Deferred<T = void> {
  readonly promise: Promise<T>;
  // Definite: the executor runs within the constructor.
  resolve!: (value: T) => void;
  reject!: (error: unknown) => void;

  constructor() {
    this.promise = new Promise<T>((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }

  /** Rejects. The rejection is not unhandled if the promise is not awaited. */
  rejectQuietly(error: unknown): void {
    quiet(this.promise);
    this.reject(error);
  }
}

/** A promise that is resolved. */
export function resolved(): Deferred {
  const deferred = new Deferred();
  deferred.resolve();
  return deferred;
}

/** Returns `promise`, whose rejection is not unhandled from now on if it is not awaited. */
export function quiet<T>(promise: Promise<T>): Promise<T> {
  promise.catch(ignore);
  return promise;
}

/** Settles as `promise`; a rejection with one of these errors is quiet. */
export function quietFor<T>(promise: Promise<T>, isQuiet: (error: unknown) => boolean): Promise<T> {
  const result = new Deferred<T>();
  promise.then(result.resolve, (error: unknown) => {
    if (isQuiet(error)) result.rejectQuietly(error);
    else result.reject(error);
  });
  return result.promise;
}

function ignore(): void {}
