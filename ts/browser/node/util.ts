/** The parts of `node:util` that this package uses. */
import objectInspect from 'object-inspect';
import { errno } from './errno.js';

const custom = Symbol.for('nodejs.util.inspect.custom');

/** A value in a message of an error. */
export const inspect = Object.assign(
  (value: unknown, { depth = 2 }: { readonly depth?: number } = {}): string =>
    objectInspect(value, { depth }),
  { custom },
);

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
