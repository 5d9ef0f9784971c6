// Modules of Node that only tests need, by their names.
// @ts-ignore: among the tools of these tests, without types.
import { isDeepStrictEqual } from 'assert/build/internal/util/comparisons.js';
import * as util from '../../ts/browser/node/util.js';
import timers from '../../ts/browser/node/timers.js';

export const modules = {
  util: { ...util, isDeepStrictEqual },
  timers,
  url: {
    fileURLToPath: (/** @type {string | URL} */ url) => new URL(url).pathname,
    pathToFileURL: (/** @type {string} */ path) => new URL(path, import.meta.url),
  },
  'timers/promises': {
    /** @param {number} delay @param {unknown} value @param {{ signal?: AbortSignal }} options */
    setTimeout: (delay, value, { signal } = {}) =>
      new Promise((resolve, reject) => {
        const timer = timers.setTimeout(() => resolve(value), delay);
        signal?.addEventListener('abort', () => {
          timer.close();
          reject(signal.reason);
        });
      }),
    setImmediate: (/** @type {unknown} */ value) =>
      new Promise((resolve) => timers.setImmediate(() => resolve(value))),
  },
};
