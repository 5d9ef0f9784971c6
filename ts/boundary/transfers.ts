/** Values that are marked to be transferred with an argument. */
import type { Transferable } from 'node:worker_threads';

const lists = new WeakMap<object, readonly Transferable[]>();

/** Whether {@link mark} was ever called: until then calls need not look. */
let hasMarked = false;

export function mark(value: object, list: readonly Transferable[]): void {
  lists.set(value, list);
  hasMarked = true;
}

/** The lists of all values that are marked, as one; `null` if none is. */
export function transferListOf(values: readonly unknown[]): Transferable[] | null {
  if (!hasMarked) return null;
  let all: Transferable[] | null = null;
  for (const value of values) {
    const list = typeof value === 'object' && value !== null ? lists.get(value) : undefined;
    if (list !== undefined) (all ??= []).push(...list);
  }
  return all;
}
