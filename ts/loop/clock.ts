/** The clocks of loops, in seconds. */
import { invalidArgValue } from '../support/errors.js';
import { monotonic, timeOrigin } from '../support/host.js';
import { ReportGate } from '../support/report-gate.js';
import type { Guard } from './guard.js';

/** The default clock: `Date.now() / 1000` at the start of the process, monotonic from there. */
export function epochSeconds(): number {
  return epochSecondsAt(monotonic());
}

/** The time of the default clock when the host's clock was at `milliseconds`. */
export function epochSecondsAt(milliseconds: number): number {
  return (timeOrigin + milliseconds) / 1e3;
}

/**
 * A clock that never throws, over the `timeFunc` of a program. If that throws, or returns anything
 * but a finite number, the failure is reported by a {@link ReportGate} and the last good time is
 * returned.
 *
 * @throws The error of the first reading; `ERR_INVALID_ARG_VALUE` if it is not a finite number.
 */
export function guardedClock(timeFunc: () => number, guard: Guard): () => number {
  const gate = new ReportGate();
  let last = checked(timeFunc());
  return () => {
    try {
      last = checked(timeFunc());
    } catch (error) {
      if (gate.opens()) guard.report(null, error);
    }
    return last;
  };
}

function checked(now: unknown): number {
  if (typeof now === 'number' && Number.isFinite(now)) return now;
  throw invalidArgValue('timeFunc', now, 'a function that returns a finite number of seconds');
}
