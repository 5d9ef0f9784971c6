// Rows of the table and their targets.
import { median } from './statistics.mjs';

/** @typedef {import('./statistics.mjs').Spread} Spread */
/** @typedef {import('./run.mjs').Samples} Samples */
/** The target of a row. Rows with the same `number` share a target of the report. */
/** @typedef {{ number: number, ratioAtLeast?: number, oursAtMost?: number }} Target */
/**
 * One comparison. A ratio above 1: ioloop is better.
 * @typedef {{
 *   name: string, unit: string, against: string,
 *   ours: Spread, peer?: Spread, ratio?: Spread, target?: Target,
 * }} Row
 */

/** A ratio to the peer. @param {number} number @param {number} ratioAtLeast @returns {Target} */
export function atLeast(number, ratioAtLeast) {
  return { number, ratioAtLeast };
}

/** A bound of our own figure. @param {number} number @param {number} oursAtMost @returns {Target} */
export function atMost(number, oursAtMost) {
  return { number, oursAtMost };
}

/** Whether a row meets its target; `null` without one. @param {Row} row */
export function isMet({ ours, ratio, target }) {
  if (target?.ratioAtLeast !== undefined) return (ratio?.median ?? 0) >= target.ratioAtLeast;
  return target?.oursAtMost === undefined ? null : ours.median <= target.oursAtMost;
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
