/** The clock of a loop: never fails, whatever the function behind it does. */
import { invalidArgValue } from '../support/errors.js';
import { monotonic, timeOrigin } from '../support/host.js';
import { ReportGate } from '../support/report-gate.js';
import type { Guard } from './guard.js';

/** The default: `Date.now() / 1000` as of the start of the process, going on monotonically. */
export function epochSeconds(): number {
  return (timeOrigin + monotonic()) / 1e3;
}

/**
 * The clock over a user's `timeFunc`. What that throws, or gives that is no finite number, is
 * reported, and the last good time stands in.
 *
 * @throws What the first reading throws; `ERR_INVALID_ARG_VALUE` when it is no finite number.
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
