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

/** A row of the table in the terminal. @param {Row} row */
export function line(row) {
  const { name, unit, ours, peer, against } = row;
  const other = peer === undefined ? '–' : `${against} ${cell(peer.median, unit)}`;
  const words = [name.padEnd(62), cell(ours.median, unit).padStart(12), other.padStart(30)];
  return [...words, (ratioOf(row) || '–').padStart(22), `  ${verdict(row)}`].join(' ');
}

/** The rows with targets, by number. @param {readonly Row[]} rows */
export function targetsTable(rows) {
  const found = rows.filter(({ target }) => target !== undefined);
  found.sort((a, b) => (a.target?.number ?? 0) - (b.target?.number ?? 0));
  const lines = found.map((row) => [String(row.target?.number), ...cells(row), verdict(row)]);
  return markdown(
    ['#', 'question', 'ioloop', 'against', 'times better (min–max)', 'target'],
    lines,
  );
}

/** All rows. @param {readonly Row[]} rows */
export function figuresTable(rows) {
  return markdown(['question', 'ioloop', 'against', 'times better (min–max)'], rows.map(cells));
}

/** @param {Row} row */
function cells(row) {
  const { name, unit, ours, peer, against } = row;
  const own = ratioOf(row) === '' ? ` (${cell(ours.min, '')}–${cell(ours.max, '')})` : '';
  const other = peer === undefined ? '' : `${against}: ${cell(peer.median, unit)}`;
  return [name, `${cell(ours.median, unit)}${own}`, other, ratioOf(row)];
}

/** @param {readonly string[]} titles @param {readonly (readonly string[])[]} lines */
function markdown(titles, lines) {
  const all = [titles, titles.map(() => '---'), ...lines];
  return all.map((words) => `| ${words.join(' | ')} |`).join('\n');
}

/** @param {Row} row */
function ratioOf({ ratio }) {
  if (ratio === undefined) return '';
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
