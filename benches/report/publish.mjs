// The committed report, and the figures of the README, which are those of the report.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { Hint, root } from '../../scripts/lib/process.mjs';
import { pagesOf } from './report.mjs';

/** @typedef {import('./results.mjs').Results} Results */

const folder = join(root, 'docs', 'benchmarks');
const report = join(folder, 'results.md');
const readme = join(root, 'README.md');

/** Replaces the committed report, and the README's figures. @param {Results} results @returns {Promise<string[]>} The files. */
export async function publish(results) {
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(folder)) if (name.endsWith('.svg')) rmSync(join(folder, name));
  const pages = Object.entries(pagesOf(results));
  for (const [name, text] of pages) writeFileSync(join(folder, name), text);
  writeFileSync(readme, await withFigures(readFileSync(readme, 'utf8')));
  return [...pages.map(([name]) => `docs/benchmarks/${name}`), 'README.md'];
}

/** Whether the README has the figures of the committed report. */
export async function isReadmeTrue() {
  const text = readFileSync(readme, 'utf8');
  return (await withFigures(text)) === text;
}

/** The README with the short of the committed report. @param {string} text */
async function withFigures(text) {
  const figures = /(<!-- figures: .* -->\n)[^]*(<!-- \/figures -->)/;
  if (!figures.test(text)) throw new Hint('The README has no place for figures.');
  const shown = text.replace(figures, (_, start, end) => `${start}\n${short()}\n\n${end}`);
  return format(shown, { ...(await resolveConfig(readme)), parser: 'markdown' });
}

function short() {
  const text = readFileSync(report, 'utf8');
  const [, conditions] = /^# Benchmarks\n\n(.*)\n/.exec(text) ?? [];
  const [, tables] = /^## In short\n\n([^]*?)\n\n## /m.exec(text) ?? [];
  if (conditions === undefined || tables === undefined) {
    throw new Hint(`${report} has no short.`);
  }
  const images = tables.replaceAll('](', '](docs/benchmarks/');
  return `Measured ${conditions}\n\n${images}`;
}
