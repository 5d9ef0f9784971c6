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
    this.promise.catch(ignore);
    this.reject(error);
  }
}

function ignore(): void {}
