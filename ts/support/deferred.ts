/** Promises that are settled from outside. */

/** A promise and what settles it. */
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

  /** Rejects, and does not make the process fail when nobody has asked. */
  rejectQuietly(error: unknown): void {
    this.promise.catch(ignore);
    this.reject(error);
  }
}

function ignore(): void {}
