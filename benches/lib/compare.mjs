// Rows of the tables, and whether they meet their targets.
import { median } from './statistics.mjs';

/** @typedef {import('./statistics.mjs').Spread} Spread */
/** @typedef {import('./run.mjs').Samples} Samples */
/** @typedef {import('./targets.mjs').Target} Target */
/**
 * One comparison. A `ratio` above 1: ioloop is better. `share` is ours as a part of the peer's.
 * @typedef {{
 *   name: string, unit: string, against: string,
 *   ours: Spread, peer?: Spread, ratio?: Spread, share?: Spread, target?: Target,
 * }} Row
 */

/** Whether a row meets its target; `null` without one. @param {Row} row */
export function isMet({ ours, ratio, share, target }) {
  if (target === undefined) return null;
  if (target.kind === 'times') return (ratio?.median ?? 0) >= target.bound;
  if (target.kind === 'share') return (share?.median ?? Infinity) <= target.bound;
  return ours.median <= target.bound;
}

/**
 * Peers whose load generator was busy all the time: a faster server would not have shown.
 * @param {Map<string, Samples>} samples By case.
 */
export function atLimit(samples) {
  return [...samples].flatMap(([key, found]) =>
    [...found]
      .filter(([, runs]) => median(runs.map(({ busy = Number.NaN }) => busy)) > AT_LIMIT)
      .map(([peer]) => `${key}, ${peer}`),
  );
}

/** Share of the time in which the load generator has work. */
const AT_LIMIT = 0.9;
