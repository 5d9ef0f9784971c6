/** `transfer()`: an argument of a call between threads that takes its memory with it. */
import type { Transferable } from 'node:worker_threads';
import { mark } from '../boundary/transfers.js';
import { invalidArgType } from '../support/errors.js';

/**
 * Marks `value` so that a call between threads which has it as an argument transfers the objects of
 * `list`, as `postMessage()` does: `ArrayBuffer`s, `MessagePort`s and others. They cannot be used here
 * after the call was accepted. Returns `value`.
 *
 * `list` has objects that `value` is, or contains. Only arguments themselves are looked at, not what
 * is inside of them; results of exposed functions are copied.
 *
 * @example
 * ```ts
 * const frame = new Uint8Array(1 << 20);
 * remote.addCallback('draw', transfer(frame, [frame.buffer]));
 * ```
 *
 * @throws `ERR_INVALID_ARG_TYPE`.
 */
export function transfer<T extends object>(value: T, list: readonly Transferable[]): T {
  if (typeof value !== 'object' || (value as unknown) === null) {
    throw invalidArgType('value', value, 'an object');
  }
  if (!Array.isArray(list)) throw invalidArgType('list', list, 'an array');
  mark(value, [...(list as readonly Transferable[])]);
  return value;
}
