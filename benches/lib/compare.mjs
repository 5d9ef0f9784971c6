// From the samples of two peers to a row of the table.
import { pairedRatio, spread } from './statistics.mjs';

/** @typedef {import('./statistics.mjs').Spread} Spread */
/**
 * One comparison. The ratio is above 1 where we are better.
 * @typedef {{
 *   name: string, unit: string, against: string,
 *   ours: Spread, peer?: Spread, ratio?: Spread,
 *   target?: { ratioAtLeast?: number, oursAtMost?: number },
 * }} Row
 */

/**
 * One value of a peer's samples, in their order.
 * @param {import('./run.mjs').Samples | undefined} samples @param {string} peer @param {string} name
 */
export function column(samples, peer, name) {
  return (samples?.get(peer) ?? []).map((sample) => sample[name] ?? Number.NaN);
}

/**
 * How much better we are; no row when one of the two was left out.
 * @param {{
 *   name: string, unit: string, against: string, ours: number[], peer: number[],
 *   less?: boolean, target?: number | undefined,
 * }} options `less` says that less of it is better.
 * @returns {Row[]}
 */
export function compare({ name, unit, against, ours, peer, less = false, target }) {
  if (ours.length === 0 || peer.length === 0) return [];
  return [
    {
      name,
      unit,
      against,
      ours: spread(ours),
      peer: spread(peer),
      ratio: less ? pairedRatio(peer, ours) : pairedRatio(ours, peer),
      ...(target === undefined ? {} : { target: { ratioAtLeast: target } }),
    },
  ];
}

/**
 * A figure of our own. @param {{ name: string, unit: string, ours: number[], atMost?: number }} options
 * @returns {Row[]}
 */
export function figure({ name, unit, ours, atMost }) {
  if (ours.length === 0) return [];
  const target = atMost === undefined ? {} : { target: { oursAtMost: atMost } };
  return [{ name, unit, against: '', ours: spread(ours), ...target }];
}

/** Whether a row meets its target; `null` without one. @param {Row} row */
export function isMet({ ours, ratio, target }) {
  if (target?.ratioAtLeast !== undefined) return (ratio?.median ?? 0) >= target.ratioAtLeast;
  return target?.oursAtMost === undefined ? null : ours.median <= target.oursAtMost;
}
