// A question of the benchmarks as data, and its renderer: samples to rows of the table and plots.
import { median, pairedRatio, spread } from './statistics.mjs';

/** @typedef {import('./compare.mjs').Row} Row */
/** @typedef {import('./compare.mjs').Target} Target */
/** @typedef {import('./run.mjs').Case} Case */
/** @typedef {import('./run.mjs').Samples} Samples */
/** @typedef {import('../report/plots.mjs').Look} Look */
/** @typedef {import('../report/plots.mjs').Plot} Plot */
/** A column of samples: one value of a peer in the case `of`. @typedef {{ of: string, peer: string, value: string }} Cell */
/**
 * One row for each peer in `against`, or one figure without it. A record maps the label in the
 * table to a peer, or to the parts of the cell that differ. `less`: a smaller value is better.
 * @typedef {Cell & {
 *   name: string, unit: string, less?: boolean,
 *   against?: readonly string[] | Record<string, string | Partial<Cell>>,
 *   targets?: Record<string, Target>, target?: Target,
 * }} RowsSpec
 */
/**
 * A plot of `series` × `categories`. Both have a label and the parts of the cell that it stands for.
 * @typedef {Look & Partial<Cell> & { categories: Axis, series: Axis }} PlotSpec
 */
/** @typedef {readonly (readonly [string, Partial<Cell>])[]} Axis */
/**
 * `cases` are measured; `rows` and `plots` say how to show the samples.
 * @typedef {{
 *   name: string, cases: readonly Case[],
 *   rows: readonly RowsSpec[], plots?: readonly PlotSpec[],
 * }} Question
 */

/** The rows of a question. @param {Question} question @param {Map<string, Samples>} samples @returns {Row[]} */
export function rowsOf({ rows }, samples) {
  return rows.flatMap((spec) => (spec.against === undefined ? figure : compare)(spec, samples));
}

/** The plots of a question. @param {Question} question @param {Map<string, Samples>} samples @returns {Plot[]} */
export function plotsOf({ plots = [] }, samples) {
  return plots.map(({ of = '', peer = '', value = '', categories, series, ...look }) => ({
    ...look,
    categories: categories.map(([label]) => label),
    series: series.map(([name, part]) => ({
      name,
      data: categories.map(([, other]) =>
        median(column(samples, { of, peer, value, ...other, ...part })),
      ),
    })),
  }));
}

/** Peers as an axis of a plot. @param {readonly string[]} peers @returns {Axis} */
export function byPeer(peers) {
  return peers.map((peer) => [peer, { peer }]);
}

/** @param {RowsSpec} spec @param {Map<string, Samples>} samples @returns {Row[]} */
function compare(spec, samples) {
  const { name, unit, less = false, against = {}, targets = {} } = spec;
  const ours = column(samples, spec);
  return labelled(against).flatMap(([label, part]) => {
    const other = column(samples, {
      ...spec,
      ...(typeof part === 'string' ? { peer: part } : part),
    });
    // A peer may have been left out.
    if (ours.length === 0 || other.length === 0) return [];
    const ratio = less ? pairedRatio(other, ours) : pairedRatio(ours, other);
    const row = { name, unit, against: label, ours: spread(ours), peer: spread(other), ratio };
    return [withTarget(row, targets[label])];
  });
}

/** @param {RowsSpec} spec @param {Map<string, Samples>} samples @returns {Row[]} */
function figure(spec, samples) {
  const ours = column(samples, spec);
  const { name, unit, target } = spec;
  return ours.length === 0
    ? []
    : [withTarget({ name, unit, against: '', ours: spread(ours) }, target)];
}

/** @param {NonNullable<RowsSpec['against']>} against @returns {[string, string | Partial<Cell>][]} */
function labelled(against) {
  return Array.isArray(against) ? against.map((peer) => [peer, peer]) : Object.entries(against);
}

/** @param {Row} row @param {Target | undefined} target @returns {Row} */
function withTarget(row, target) {
  return target === undefined ? row : { ...row, target };
}

/** @param {Map<string, Samples>} samples @param {Cell} cell */
function column(samples, { of, peer, value }) {
  return (samples.get(of)?.get(peer) ?? []).map((sample) => sample[value] ?? Number.NaN);
}
