/**
 * What the loop takes from its host: timers, queues and a clock, as they are when this module is
 * loaded. Test frameworks replace the globals, and the exports of `node:timers`; a loop is not one
 * of the timers under test, and goes on. It does so, too, when they were replaced before.
 */
import { performance } from 'node:perf_hooks';
import timers from 'node:timers';
import { MessageChannel } from 'node:worker_threads';

/** `holder[name]`, or what a fake of `@sinonjs/fake-timers` stands for. */
function original<H extends object, N extends keyof H & string>(holder: H, name: N): H[N] {
  const { clock } = holder[name] as { clock?: Partial<Record<`_${N}`, H[N]>> };
  return clock?.[`_${name}`] ?? holder[name];
}

export const setTimeout = original(timers, 'setTimeout');
export const clearTimeout = original(timers, 'clearTimeout');
export const nextTick = original(process, 'nextTick');
export const queueMicrotask = original(globalThis, 'queueMicrotask');

/** Calls `callback` when Node has had its share of the thread; keeps the process alive until then. */
export const setImmediate: (callback: () => void) => void = immediates();

function immediates(): (callback: () => void) => void {
  const candidate = original(timers, 'setImmediate');
  const handle = candidate(() => {});
  timers.clearImmediate(handle);
  // Other fakes, such as those of `node:test`, do not show what they stand for.
  const isNodes = (handle as object | undefined)?.constructor.name === 'Immediate';
  return isNodes ? candidate : messages();
}

/** Immediates by another of the host's queues. */
function messages(): (callback: () => void) => void {
  const { port1, port2 } = new MessageChannel();
  const waiting: (() => void)[] = [];
  port1.on('message', () => {
    const callback = waiting.shift();
    if (waiting.length === 0) port1.unref();
    callback?.();
  });
  port1.unref();
  return (callback) => {
    waiting.push(callback);
    port1.ref();
    port2.postMessage(null);
  };
}

// The global of this name is a getter that costs as much as a reading of the clock.
/** Milliseconds since {@link timeOrigin}, monotonic. */
export const monotonic: () => number = performance.now.bind(performance);
export const { timeOrigin } = performance;
