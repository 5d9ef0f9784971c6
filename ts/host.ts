/**
 * What the loop takes from its host: timers, queues and a clock, as they are when this module is
 * loaded. Test frameworks replace the globals, and the exports of `node:timers`; a loop is none of
 * the timers under test, and goes on.
 */
import { performance } from 'node:perf_hooks';
import timers from 'node:timers';

/** As Node has it, also when fake timers of `@sinonjs/fake-timers` were installed before. */
function original<N extends 'setImmediate' | 'setTimeout' | 'clearTimeout'>(
  name: N,
): (typeof timers)[N] {
  const { clock } = timers[name] as { clock?: Partial<Record<`_${N}`, (typeof timers)[N]>> };
  return clock?.[`_${name}`] ?? timers[name];
}

export const setImmediate = original('setImmediate');
export const setTimeout = original('setTimeout');
export const clearTimeout = original('clearTimeout');
export const { queueMicrotask } = globalThis;
export const { nextTick } = process;

/** Milliseconds since {@link timeOrigin}, monotonic. */
// The global of this name is a getter that costs as much as a reading of the clock.
export const monotonic: () => number = performance.now.bind(performance);
export const { timeOrigin } = performance;
