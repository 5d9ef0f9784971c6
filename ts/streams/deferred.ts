/** Promises that are settled from outside. */

/** A promise and what settles it. */
export class Deferred<T = void> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;

  constructor() {
    this.promise = new Promise<T>(capture as Executor<T>);
    this.resolve = captured.resolve as (value: T) => void;
    this.reject = captured.reject;
  }

  /** Rejects, and does not make the process fail when nobody has asked. */
  rejectQuietly(error: unknown): void {
    this.promise.catch(ignore);
    this.reject(error);
  }
}

type Executor<T> = (resolve: (value: T) => void, reject: (error: unknown) => void) => void;

/** The functions of the promise being made: an executor of its own would be a closure each. */
const captured: { resolve: (value: never) => void; reject: (error: unknown) => void } = {
  resolve: ignore,
  reject: ignore,
};

function capture(resolve: (value: never) => void, reject: (error: unknown) => void): void {
  captured.resolve = resolve;
  captured.reject = reject;
}

function ignore(): void {}
