/**
 * The arguments of a callback: an array that is kept until it runs, and passed on then.
 *
 * Most callbacks have none, or one or two. A rest parameter makes an array in each call, also for
 * none, and a call with a spread takes twice as long (`benches/workloads/callbacks.mjs`, `timers.mjs`).
 */

const NONE: readonly unknown[] = [];

/** Those of `all` after the first `from`. */
export function argumentsAfter(from: number, all: IArguments): readonly unknown[] {
  const count = all.length - from;
  if (count <= 0) return NONE;
  if (count === 1) return [all[from]];
  if (count === 2) return [all[from], all[from + 1]];
  return Array.prototype.slice.call(all, from);
}

/** `func(...args)`. */
export function callWith<R>(func: (...args: never[]) => R, args: readonly unknown[]): R {
  const call = func as (...args: readonly unknown[]) => R;
  const { length } = args;
  if (length === 0) return call();
  if (length === 1) return call(args[0]);
  return length === 2 ? call(args[0], args[1]) : call(...args);
}

/** `loop.callAt(when, callback, ...args)`. */
export function callAtWith<R, C>(
  loop: { callAt(when: number, callback: C, ...args: unknown[]): R },
  when: number,
  callback: C,
  args: readonly unknown[],
): R {
  const { length } = args;
  if (length === 0) return loop.callAt(when, callback);
  if (length === 1) return loop.callAt(when, callback, args[0]);
  return length === 2
    ? loop.callAt(when, callback, args[0], args[1])
    : loop.callAt(when, callback, ...args);
}
