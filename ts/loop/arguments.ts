/**
 * What a callback is called with, as an array. Most calls hand over nothing, some one or two values:
 * a rest parameter would allocate in each call, and `arguments`, handed on, costs 150 ns.
 */

const NONE: readonly unknown[] = [];

/** Up to two of them, given by name. */
export function fewArguments(count: number, first: unknown, second: unknown): readonly unknown[] {
  if (count <= 0) return NONE;
  return count === 1 ? [first] : [first, second];
}

/** Those behind the first `from`. */
export function argumentsFrom(from: number, all: IArguments): readonly unknown[] {
  return Array.prototype.slice.call(all, from);
}
