// The table of results, for the terminal and as Markdown.
import { isMet } from './compare.mjs';

/** @typedef {import('./compare.mjs').Row} Row */
/** @typedef {import('./statistics.mjs').Spread} Spread */

const format = new Intl.NumberFormat('en-US', { maximumSignificantDigits: 3 });

/** @param {number | undefined} value @param {string} unit */
export function cell(value, unit) {
  if (value === undefined || Number.isNaN(value)) return '–';
  return `${format.format(value)}${unit === '' ? '' : ` ${unit}`}`;
}

/** The head of the table in the terminal. */
export function head() {
  const titles = ['question'.padEnd(62), 'ioloop'.padStart(12), 'against'.padStart(30)];
  return [...titles, 'ratio (min–max)'.padStart(22), '  target'].join(' ');
}

/** One row of it. @param {Row} row */
export function line(row) {
  const { name, unit, ours, peer, against } = row;
  const other = peer === undefined ? '–' : `${against} ${cell(peer.median, unit)}`;
  const cells = [name.padEnd(62), cell(ours.median, unit).padStart(12), other.padStart(30)];
  return [...cells, spreadOf(row.ratio).padStart(22), `  ${verdict(row)}`].join(' ');
}

/** The table as Markdown. @param {readonly Row[]} rows */
export function markdown(rows) {
  const lines = rows.map((row) => {
    const { name, unit, ours, peer, against } = row;
    const other = peer === undefined ? '' : `${against}: ${cell(peer.median, unit)}`;
    return `| ${[name, cell(ours.median, unit), other, spreadOf(row.ratio), verdict(row)].join(' | ')} |`;
  });
  return [
    '| question | ioloop | against | times better (min–max) | target |',
    '| --- | --- | --- | --- | --- |',
    ...lines,
  ].join('\n');
}

/** @param {Spread | undefined} ratio */
function spreadOf(ratio) {
  if (ratio === undefined) return '–';
  return `${ratio.median.toFixed(2)} (${ratio.min.toFixed(2)}–${ratio.max.toFixed(2)})`;
}

/** @param {Row} row */
export function verdict(row) {
  const met = isMet(row);
  if (met === null) return '';
  const { ratioAtLeast, oursAtMost } = row.target ?? {};
  const target =
    ratioAtLeast === undefined ? `≤ ${cell(oursAtMost, row.unit)}` : `≥ ${ratioAtLeast}`;
  return `${target} ${met ? 'met' : 'missed'}`;
}
