// The globals of Node as the tests have them in a page.
import * as internal from '#internal';
import timers from '../../ts/browser/node/timers.js';
import { completed } from './node.mjs';

const { Buffer } = /** @type {any} */ (internal);
export { Buffer };
export const process = completed('process', /** @type {any} */ (internal).process);
export const { setTimeout, clearTimeout, setImmediate, clearImmediate } = timers;
