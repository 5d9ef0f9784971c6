/** The parts of `node:os` that this package uses. */
import { errno } from './errno.js';

/** Signals do not exist: names of signals are refused as unknown. */
export const constants = { errno, signals: {} };

/** One thread: none can wait for another without cross-origin isolation. */
export function availableParallelism(): number {
  return 1;
}

/** There are none to be seen. */
export function networkInterfaces(): object {
  return {};
}
