/**
 * `node:async_hooks` for calls, without promises: what was registered in a context runs in it, and what
 * follows an `await` runs in none.
 */

type Stores = ReadonlyMap<AsyncLocalStorage<unknown>, unknown>;

/** Those of the running call. Replaced, never changed. */
let current: Stores = new Map();

function within<Result>(stores: Stores, func: () => Result): Result {
  const outer = current;
  current = stores;
  try {
    return func();
  } finally {
    current = outer;
  }
}

/** The stores of the call that has made it. */
export class AsyncResource {
  readonly type: string;
  readonly #stores = current;

  constructor(type: string) {
    this.type = type;
  }

  runInAsyncScope<This, Args extends unknown[], Result>(
    func: (this: This, ...args: Args) => Result,
    thisArg?: This,
    ...args: Args
  ): Result {
    return within(this.#stores, () => func.call(thisArg as This, ...args));
  }
}

export class AsyncLocalStorage<Store> {
  getStore(): Store | undefined {
    return current.get(this) as Store | undefined;
  }

  run<Result>(store: Store, func: () => Result): Result {
    return within(new Map(current).set(this, store), func);
  }
}

/** `executionAsyncResource()` is asked for by hooks of promises, which browsers do not have. */
export default {};
