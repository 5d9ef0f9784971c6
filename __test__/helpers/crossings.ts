/**
 * Counts how often the package reaches a bound. Import this before `ioloop`: it wraps functions of
 * the binary, before the package takes them from it.
 */
import type { ExecutionContext } from 'ava';
import type { Capabilities } from '#internal';
import { loadBinary } from './binary.js';

/** How often each bound was reached. */
export interface Crossings {
  /** The array of submissions was full before the turn ended. */
  submissions: number;
  /** A turn left due timers or ready sources to the next. */
  completions: number;
  /** A batch was sent whose records were all in use. */
  records: number;
}

const counts: Crossings = { submissions: 0, completions: 0, records: 0 };

/** What `body` crosses. Of one test at a time: the counts are the process's. */
export async function crossingsOf(body: () => Promise<unknown>): Promise<Crossings> {
  Object.assign(counts, { submissions: 0, completions: 0, records: 0 });
  await body();
  return { ...counts };
}

/**
 * Checks that a run crossed each of `bounds`, at tiny capacities, or none, at the usual ones: what is
 * checked at tiny capacities is the crossing of bounds.
 */
export function checkCrossings(
  t: ExecutionContext,
  capacities: 'usual' | 'tiny',
  crossed: Crossings,
  bounds: readonly (keyof Crossings)[],
): void {
  t.log(crossed);
  for (const bound of bounds) t.is(crossed[bound] > 0, capacities === 'tiny', bound);
}

type Native = Record<string, (...args: never[]) => number> & {
  readonly TURN_MORE: number;
  readonly RECORD_WORDS: number;
};

const addon = loadBinary() as Native;

wrap('loopSubmit', () => {
  counts.submissions += 1;
});
wrap('loopTurn', (_, result) => {
  if (result >= 0 && (result & addon.TURN_MORE) !== 0) counts.completions += 1;
});
wrap('sendBatch', ([records, count]) => {
  const capacity = (records as Int32Array).length / addon.RECORD_WORDS;
  if (count === capacity) counts.records += 1;
});

/** Calls `look` after each call of a function of the binary. */
function wrap(name: string, look: (args: readonly unknown[], result: number) => void): void {
  const original = addon[name];
  if (original === undefined) {
    const { descriptors } = (addon as unknown as { capabilities(): Capabilities }).capabilities();
    if (!descriptors) return;
    throw new Error(`the binary has no ${name}`);
  }
  addon[name] = (...args) => {
    const result = original(...args);
    look(args, result);
    return result;
  };
}
