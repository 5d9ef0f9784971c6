/** `node:async_hooks` without async contexts: code runs in the context of its caller. */

export class AsyncResource {
  readonly type: string;

  constructor(type: string) {
    this.type = type;
  }

  runInAsyncScope<This, Args extends unknown[], Result>(
    func: (this: This, ...args: Args) => Result,
    thisArg?: This,
    ...args: Args
  ): Result {
    return func.call(thisArg as This, ...args);
  }
}

/** A store that ends with the call of `run()`, before what its function awaits. */
export class AsyncLocalStorage<Store> {
  #store: Store | undefined;

  getStore(): Store | undefined {
    return this.#store;
  }

  run<Result>(store: Store, func: () => Result): Result {
    const outer = this.#store;
    this.#store = store;
    try {
      return func();
    } finally {
      this.#store = outer;
    }
  }
}
