// The tables of results, for the terminal and as Markdown.
import { isMet } from './compare.mjs';
import { TARGETS } from './targets.mjs';

/** @typedef {import('./compare.mjs').Row} Row */
/** @typedef {import('./statistics.mjs').Spread} Spread */
/** @typedef {(titles: readonly string[], lines: readonly (readonly string[])[]) => string} Layout */

const format = new Intl.NumberFormat('en-US', { maximumSignificantDigits: 3 });

/** @param {number | undefined} value @param {string} unit */
export function cell(value, unit) {
  if (value === undefined || Number.isNaN(value)) return '–';
  return `${format.format(value)}${unit === '' ? '' : ` ${unit}`}`;
}

/** The targets by number, each with its rows; those that were not measured, too. @param {readonly Row[]} rows @param {Layout} layout */
export function targetsTable(rows, layout) {
  const lines = [...TARGETS].flatMap(([number, workload]) => {
    const found = rows.filter(({ target }) => target?.number === number);
    if (found.length === 0) return [[`${number}`, workload, '–', '–', '–', '', 'not measured']];
    return found.map((row) => [`${number}`, ...judged(row)]);
  });
  return layout(['#', 'workload', 'ours', 'peer', 'ratio (min–max)', 'target', ''], lines);
}

/** The targets without a number. @param {readonly Row[]} rows @param {Layout} layout */
export function furtherTable(rows, layout) {
  const found = rows.filter(({ target }) => target !== undefined && target.number === null);
  return layout(['workload', 'ours', 'peer', 'ratio (min–max)', 'target', ''], found.map(judged));
}

/** All rows. @param {readonly Row[]} rows @param {Layout} layout */
export function figuresTable(rows, layout) {
  const lines = rows.map((row) => [row.name, ours(row), theirs(row), spreadOf(row.ratio)]);
  return layout(['question', 'ioloop', 'against', 'times better (min–max)'], lines);
}

/** @param {readonly string[]} titles @param {readonly (readonly string[])[]} lines */
export function markdown(titles, lines) {
  const all = [titles, titles.map(() => '---'), ...lines];
  return all.map((words) => `| ${words.join(' | ')} |`).join('\n');
}

/** Columns for the terminal. @param {readonly string[]} titles @param {readonly (readonly string[])[]} lines */
export function columns(titles, lines) {
  const all = [titles, ...lines];
  const widths = titles.map((_, at) => Math.max(...all.map((words) => (words[at] ?? '').length)));
  return all
    .map((words) =>
      words
        .map((word, at) => word.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** A row beside its target. @param {Row} row */
function judged(row) {
  const { target, unit, ratio, share } = row;
  const verdict = isMet(row) === true ? 'met' : 'missed';
  if (target?.kind === 'own')
    return [row.name, ours(row), '', '', `≤ ${cell(target.bound, unit)}`, verdict];
  const isShare = target?.kind === 'share';
  const bound = `${isShare ? '≤' : '≥'} ${target?.bound} × ${row.against}`;
  return [row.name, ours(row), theirs(row), spreadOf(isShare ? share : ratio), bound, verdict];
}

/** With its spread, where there is no peer. @param {Row} row */
function ours({ ours: { median, min, max }, unit, peer }) {
  const spread = peer === undefined ? ` (${cell(min, '')}–${cell(max, '')})` : '';
  return `${cell(median, unit)}${spread}`;
}

/** @param {Row} row */
function theirs({ peer, against, unit }) {
  return peer === undefined ? '' : `${against}: ${cell(peer.median, unit)}`;
}

/** @param {Spread | undefined} ratio */
function spreadOf(ratio) {
  if (ratio === undefined) return '';
  const digits = ratio.median < 1 ? 3 : 2;
  const [middle, min, max] = [ratio.median, ratio.min, ratio.max].map((value) =>
    value.toFixed(digits),
  );
  return `${middle} (${min}–${max})`;
}
