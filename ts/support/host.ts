/**
 * Timers, queues and the clock of the host, as they are when this module is loaded. Test frameworks
 * replace the globals and the exports of `node:timers`; the loop is not under test, and must not
 * stop. If they were replaced before, the fakes have references to the originals, or are avoided.
 */
import { performance } from 'node:perf_hooks';
import timers from 'node:timers';
import { MessageChannel } from 'node:worker_threads';

/** `holder[name]`, or the original of a fake of `@sinonjs/fake-timers`. */
function original<H extends object, N extends keyof H & string>(holder: H, name: N): H[N] {
  const { clock } = holder[name] as { clock?: Partial<Record<`_${N}`, H[N]>> };
  return clock?.[`_${name}`] ?? holder[name];
}

export const setTimeout = original(timers, 'setTimeout');
export const clearTimeout = original(timers, 'clearTimeout');
export const nextTick = original(process, 'nextTick');
export const queueMicrotask = original(globalThis, 'queueMicrotask');

/** Calls `callback` in the next check phase of Node's loop. Keeps the process alive until then. */
export const setImmediate: (callback: () => void) => void = immediates();

function immediates(): (callback: () => void) => void {
  const candidate = original(timers, 'setImmediate');
  const handle = candidate(() => {});
  timers.clearImmediate(handle);
  // Other fakes, such as those of `node:test`, have no reference to the original.
  const isNodes = (handle as object | undefined)?.constructor.name === 'Immediate';
  return isNodes ? candidate : messages();
}

/** A substitute for immediates: messages of a port. */
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

// `performance` as a global is a getter, which costs as much as a reading of the clock.
/** Milliseconds since {@link timeOrigin}, monotonic. */
export const monotonic: () => number = performance.now.bind(performance);
export const { timeOrigin } = performance;
