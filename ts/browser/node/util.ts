/** The parts of `node:util` that this package uses. */
import objectInspect from 'object-inspect';
import { errno } from './errno.js';

const custom = Symbol.for('nodejs.util.inspect.custom');

/** A value in a message of an error. Objects of this package show themselves; memory shows its size. */
export const inspect = Object.assign(
  (value: unknown, { depth = 2 }: { readonly depth?: number } = {}): string => {
    const shown = shownAs(value);
    if (ArrayBuffer.isView(shown)) return `${shown.constructor.name}(${shown.byteLength})`;
    return objectInspect(shown, { depth: Math.max(depth, 1), maxStringLength: LONGEST });
  },
  { custom },
);

const LONGEST = 64;
const MOST_ITEMS = 4;

function shownAs(value: unknown): unknown {
  if (Array.isArray(value)) return value.slice(0, MOST_ITEMS);
  const show = (value as Partial<Record<symbol, unknown>> | null | undefined)?.[custom];
  return typeof show === 'function' ? (show.call(value) as unknown) : value;
}

const names = new Map(Object.entries(errno).map(([name, number]) => [-number, name]));

/** `EPIPE` for -32. */
export function getSystemErrorName(number: number): string {
  return names.get(number) ?? `Unknown system error ${number}`;
}

/** There is no `NODE_DEBUG`. */
export function debuglog(): object {
  return Object.assign(() => {}, { enabled: false });
}

export const types = {
  isDate: (value: unknown): boolean => value instanceof Date,
  isMap: (value: unknown): boolean => value instanceof Map,
  isSet: (value: unknown): boolean => value instanceof Set,
};
