// From the samples of two peers to a row of the table.
import { median, pairedRatio, spread } from './statistics.mjs';

/** @typedef {import('./statistics.mjs').Spread} Spread */
/** @typedef {import('./run.mjs').Samples} Samples */
/** The target of a row; rows with the same `number` belong to one target of the report. */
/** @typedef {{ number: number, ratioAtLeast?: number, oursAtMost?: number }} Target */
/**
 * One comparison. The ratio is above 1 where we are better.
 * @typedef {{
 *   name: string, unit: string, against: string,
 *   ours: Spread, peer?: Spread, ratio?: Spread, target?: Target,
 * }} Row
 */
/** How a row is called; `less` says that less of it is better. */
/** @typedef {{ name: string, unit: string, against?: string, less?: boolean, target?: Target | undefined }} Look */

/** So many times better than the peer. @param {number} number @param {number} ratioAtLeast @returns {Target} */
export function atLeast(number, ratioAtLeast) {
  return { number, ratioAtLeast };
}

/** A figure of our own, no more than that. @param {number} number @param {number} oursAtMost @returns {Target} */
export function atMost(number, oursAtMost) {
  return { number, oursAtMost };
}

/**
 * One value of a peer's samples, in their order.
 * @param {Samples | undefined} samples @param {string} peer @param {string} value
 */
export function column(samples, peer, value) {
  return (samples?.get(peer) ?? []).map((sample) => sample[value] ?? Number.NaN);
}

/**
 * How much better one peer's value is than another's; no row when one of the two was left out.
 * @param {Samples | undefined} samples
 * @param {Look & { ours: string, against: string, value: string, peer?: string }} look `peer` is
 *   who is measured against, where `against` is another name for it.
 */
export function compare(samples, { ours, value, peer = '', ...look }) {
  const other = peer === '' ? look.against : peer;
  return compareColumns(column(samples, ours, value), column(samples, other, value), look);
}

/** @param {number[]} ours @param {number[]} peer @param {Look} look @returns {Row[]} */
export function compareColumns(ours, peer, { less = false, against = '', ...look }) {
  if (ours.length === 0 || peer.length === 0) return [];
  const ratio = less ? pairedRatio(peer, ours) : pairedRatio(ours, peer);
  return [row({ ...look, against, ours: spread(ours), peer: spread(peer), ratio })];
}

/** A figure of our own. @param {number[]} ours @param {Look} look @returns {Row[]} */
export function figure(ours, { name, unit, target }) {
  return ours.length === 0 ? [] : [row({ name, unit, against: '', ours: spread(ours), target })];
}

/** @param {Omit<Row, 'target'> & { target?: Target | undefined }} options @returns {Row} */
function row({ target, ...rest }) {
  return target === undefined ? rest : { ...rest, target };
}

/** Whether a row meets its target; `null` without one. @param {Row} row */
export function isMet({ ours, ratio, target }) {
  if (target?.ratioAtLeast !== undefined) return (ratio?.median ?? 0) >= target.ratioAtLeast;
  return target?.oursAtMost === undefined ? null : ours.median <= target.oursAtMost;
}

/**
 * Where the generator was busy all the time: a faster server would not have shown.
 * @param {Map<string, Samples>} samples By case.
 */
export function atLimit(samples) {
  return [...samples].flatMap(([key, found]) =>
    [...found.keys()]
      .filter((peer) => median(column(found, peer, 'busy')) > AT_LIMIT)
      .map((peer) => `${key}, ${peer}`),
  );
}

/** Part of the time that the load generator may have work. */
const AT_LIMIT = 0.9;
