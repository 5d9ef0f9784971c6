// Modules of Node that only tests need, by their names.
import { isDeepStrictEqual } from 'assert/build/internal/util/comparisons.js';
import * as util from '../../ts/browser/node/util.ts';
import timers from '../../ts/browser/node/timers.ts';

export const modules = {
  util: { ...util, isDeepStrictEqual },
  timers,
  url: {
    fileURLToPath: (/** @type {string | URL} */ url) => new URL(url).pathname,
    pathToFileURL: (/** @type {string} */ path) => new URL(path, location.href),
  },
  'timers/promises': {
    setTimeout: (/** @type {number} */ delay, /** @type {unknown} */ value) =>
      new Promise((resolve) => timers.setTimeout(() => resolve(value), delay)),
    setImmediate: (/** @type {unknown} */ value) =>
      new Promise((resolve) => timers.setImmediate(() => resolve(value))),
  },
};
