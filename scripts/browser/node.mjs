// Modules of Node as the tests have them in a page: those with a stand-in, and for every other name a
// function that throws. What they lack is counted as unsupported.

/** @type {(name: string) => void} */
let observer = () => {};

/** Has `listener` called with each function of Node that is called and not there. @param {(name: string) => void} listener */
export function refusedByNode(listener) {
  observer = listener;
}

/** @param {string} name */
export function absent(name) {
  return function () {
    observer(name);
    throw new Error(`${name} is not in a browser`);
  };
}

/** `own`, with a function that throws for each name that it lacks. @param {string} module @param {object} own */
export function completed(module, own) {
  /** @type {ProxyHandler<any>} */
  const handler = {
    get: (_, key) =>
      typeof key === 'symbol' || IGNORED.has(key) ? undefined : absent(`${module}.${key}`),
  };
  return Object.create(new Proxy({}, handler), Object.getOwnPropertyDescriptors(own));
}

/** Properties that are asked for to find out what a value is. */
const IGNORED = new Set(['__esModule', 'then', 'toJSON']);
