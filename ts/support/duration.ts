/** Spans of time: objects with named units, such as `Temporal.Duration`. */
import { invalidArgType, invalidArgValue } from './errors.js';

/**
 * A span of time, the sum of its fields. A `Temporal.Duration` without years, months and weeks is
 * one. Fields may be negative or fractional; a missing field is 0.
 */
export interface Duration {
  /** Days of 24 hours. */
  readonly days?: number;
  /** Hours. */
  readonly hours?: number;
  /** Minutes. */
  readonly minutes?: number;
  /** Seconds. */
  readonly seconds?: number;
  /** Milliseconds. */
  readonly milliseconds?: number;
  /** Microseconds. */
  readonly microseconds?: number;
  /** Nanoseconds. */
  readonly nanoseconds?: number;
}

const SECONDS = {
  days: 86_400,
  hours: 3_600,
  minutes: 60,
  seconds: 1,
  milliseconds: 1e-3,
  microseconds: 1e-6,
  nanoseconds: 1e-9,
} as const;

/** Calendar units have no fixed length. In a `Temporal.Duration` they may be 0. */
const CALENDAR = ['years', 'months', 'weeks'] as const;

/**
 * The length of `duration` in seconds.
 *
 * @throws `ERR_INVALID_ARG_TYPE` if it has none of the fields, `ERR_INVALID_ARG_VALUE` if a field is
 * not a finite number or a calendar unit is not 0.
 */
export function durationSeconds(duration: Duration, name: string): number {
  const fields = duration as Readonly<Record<string, unknown>>;
  let seconds = 0;
  let known = 0;
  for (const [unit, factor] of Object.entries(SECONDS)) {
    const value = fields[unit];
    if (value === undefined) continue;
    if (typeof value !== 'number' || !Number.isFinite(value)) {
      throw invalidArgValue(`${name}.${unit}`, value, 'a finite number');
    }
    known += 1;
    seconds += value * factor;
  }
  for (const unit of CALENDAR) {
    if (fields[unit] !== undefined && fields[unit] !== 0) {
      throw invalidArgValue(`${name}.${unit}`, fields[unit], 'absent: its length is not fixed');
    }
  }
  if (known === 0) throw invalidArgType(name, duration, 'a duration such as { seconds: 5 }');
  return seconds;
}

/** Whether a value is an object, and so to be read as a {@link Duration}. */
export function isDurationLike(value: unknown): value is Duration {
  return typeof value === 'object' && value !== null;
}

/**
 * `value` in seconds; a number already is.
 *
 * @throws `ERR_INVALID_ARG_TYPE`, also for NaN; as {@link durationSeconds}.
 */
export function secondsOf(value: number | Duration, name: string): number {
  if (typeof value === 'number') {
    if (Number.isNaN(value)) throw invalidArgType(name, value, 'a number of seconds, not NaN');
    return value;
  }
  if (isDurationLike(value)) return durationSeconds(value, name);
  throw invalidArgType(name, value, 'a number of seconds or a duration');
}
