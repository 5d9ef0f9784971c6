// A question of the benchmarks as data, and its renderer: samples to rows of the table and plots.
import { median, pairedRatio, spread } from './statistics.mjs';

/** @typedef {import('./compare.mjs').Row} Row */
/** @typedef {import('./targets.mjs').Target} Target */
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

/** The plots of a question, of what was measured. @param {Question} question @param {Map<string, Samples>} samples @returns {Plot[]} */
export function plotsOf({ plots = [] }, samples) {
  return plots.flatMap(({ of = '', peer = '', value = '', categories, series, ...look }) => {
    const at = (/** @type {Partial<Cell>} */ category, /** @type {Partial<Cell>} */ part) =>
      medianOf(samples, { of, peer, value, ...category, ...part });
    const isMeasured = (/** @type {Partial<Cell>} */ category, /** @type {Partial<Cell>} */ part) =>
      !Number.isNaN(at(category, part));
    const shown = categories.filter(([, one]) => series.some(([, part]) => isMeasured(one, part)));
    const drawn = series.filter(([, part]) => shown.some(([, one]) => isMeasured(one, part)));
    if (shown.length < 2) return [];
    return [
      {
        ...look,
        categories: shown.map(([label]) => label),
        series: drawn.map(([name, part]) => ({
          name,
          data: shown.map(([, one]) => at(one, part)),
        })),
      },
    ];
  });
}

/** The median of a cell; NaN without samples. @param {Map<string, Samples>} samples @param {Cell} cell */
export function medianOf(samples, cell) {
  return median(column(samples, cell));
}

/**
 * Peers as an axis of a plot. Ours have the name of the package.
 * @param {readonly string[]} peers @returns {Axis}
 */
export function byPeer(peers) {
  return peers.map((peer) => [LABELS[peer] ?? peer, { peer }]);
}

/** @type {Record<string, string>} */
const LABELS = {
  protocol: 'ioloop protocol',
  'borrowing protocol': 'ioloop protocol, borrowed chunks',
  streams: 'ioloop streams',
  'streams 24': 'ioloop streams, Node 24',
  'bulk streams': 'ioloop streams',
  handlers: 'ioloop handlers',
  'batched handlers': 'ioloop handlers, sendLater()',
  'bare epoll': 'C, bare epoll',
  'proxy pump': 'ioloop pump()',
  'proxy node:net': 'node:net, pipe()',
  'proxy splice in C': 'C, splice(2)',
  'redis protocol': 'ioloop protocol',
  'redis streams': 'ioloop streams',
  'redis node:net': 'node:net',
  'redis node:net, corked': 'node:net, corked',
  DeadlineSet: 'ioloop DeadlineSet',
  DeadlineQueue: 'ioloop DeadlineQueue',
};

/**
 * The cells of those rows of a spec that are wanted, ours and the peer's.
 * @param {RowsSpec} spec @param {(label: string, target: Target | undefined) => boolean} isWanted
 * @returns {Cell[]}
 */
export function cellsOf(spec, isWanted) {
  const { against = {}, targets = {} } = spec;
  const others = labelled(against).filter(([label]) => isWanted(label, targets[label]));
  const isAlone = spec.against === undefined && isWanted('', spec.target);
  if (others.length === 0 && !isAlone) return [];
  return [spec, ...others.map(([, part]) => other(spec, part))];
}

/** The cell of a peer. @param {Cell} ours @param {string | Partial<Cell>} part @returns {Cell} */
function other(ours, part) {
  return { ...ours, ...(typeof part === 'string' ? { peer: part } : part) };
}

/** @param {RowsSpec} spec @param {Map<string, Samples>} samples @returns {Row[]} */
function compare(spec, samples) {
  const { name, unit, less = false, against = {}, targets = {} } = spec;
  const ours = column(samples, spec);
  return labelled(against).flatMap(([label, part]) => {
    const theirs = column(samples, other(spec, part));
    // A peer may have been left out.
    if (ours.length === 0 || theirs.length === 0) return [];
    const share = pairedRatio(ours, theirs);
    const ratio = less ? pairedRatio(theirs, ours) : share;
    const both = { ours: spread(ours), peer: spread(theirs) };
    const row = { name, unit, against: label, ...both, ratio, share };
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
