/** Checks of arguments that several rooms share. Each message names the argument. */
import { invalidArgType, outOfRange } from './errors.js';

/** @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`. */
export function checkInteger(
  name: string,
  value: unknown,
  minimum: number,
  maximum: number,
): number {
  if (typeof value !== 'number') throw invalidArgType(name, value, 'a number');
  if (!Number.isInteger(value) || value < minimum || value > maximum) {
    throw outOfRange(name, value, `an integer from ${minimum} to ${maximum}`);
  }
  return value;
}

/** @throws `ERR_INVALID_ARG_TYPE`. */
export function checkBoolean(name: string, value: unknown, otherwise: boolean): boolean {
  if (value === undefined) return otherwise;
  if (typeof value !== 'boolean') throw invalidArgType(name, value, 'a boolean');
  return value;
}

/** @throws `ERR_INVALID_ARG_TYPE`. */
export function checkOptions(options: unknown): void {
  if (options === undefined || (typeof options === 'object' && options !== null)) return;
  throw invalidArgType('options', options, 'an object');
}

/** @throws `ERR_INVALID_ARG_TYPE`. */
export function checkFunction(name: string, value: unknown): void {
  if (typeof value !== 'function') throw invalidArgType(name, value, 'a function');
}

/** @throws `ERR_INVALID_ARG_TYPE`, also for NaN. */
export function checkSeconds(name: string, value: unknown): void {
  if (typeof value !== 'number' || Number.isNaN(value)) {
    throw invalidArgType(name, value, 'a number of seconds, not NaN');
  }
}

/** @throws `ERR_INVALID_ARG_TYPE`; `ERR_OUT_OF_RANGE` unless it is finite and above 0. */
export function checkThreshold(name: string, value: unknown): void {
  checkSeconds(name, value);
  const seconds = value as number;
  if (!(seconds > 0 && Number.isFinite(seconds))) {
    throw outOfRange(name, value, 'finite and above 0');
  }
}

/** @throws `ERR_INVALID_ARG_TYPE`; `ERR_OUT_OF_RANGE` unless it is above 0 and at most 100. */
export function checkPercent(name: string, value: unknown): void {
  if (typeof value !== 'number') throw invalidArgType(name, value, 'a number');
  if (!(value > 0 && value <= 100)) throw outOfRange(name, value, 'above 0 and at most 100');
}

/** Whether `value` can be awaited. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    (typeof value === 'object' || typeof value === 'function') &&
    value !== null &&
    typeof (value as { then?: unknown }).then === 'function'
  );
}
