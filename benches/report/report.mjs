// The report: figures as JSON, a table as Markdown, plots as SVG, and a page with all of it.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { arch, cpus, platform, release, totalmem } from 'node:os';
import { join, relative } from 'node:path';
import { root } from '../../scripts/lib/process.mjs';
import { figuresTable, targetsTable } from '../lib/table.mjs';
import { svg } from './plots.mjs';

/** @typedef {import('../lib/run.mjs').Samples} Samples */
/** @typedef {import('../lib/compare.mjs').Row} Row */
/** @typedef {ReturnType<typeof machine> & import('../lib/run.mjs').Options} About */
/** @typedef {{ question: import('../lib/run.mjs').Question, samples: Map<string, Samples> }} Answer */

/**
 * @param {string} folder
 * @param {{ answers: readonly Answer[], options: import('../lib/run.mjs').Options, missing: Map<string, string> }} results
 * @returns {string[]} The files.
 */
export function writeReport(folder, { answers, options, missing }) {
  mkdirSync(folder, { recursive: true });
  const rows = answers.flatMap(({ question, samples }) => question.rows(samples));
  const plots = answers.flatMap(({ question, samples }) => question.plots?.(samples) ?? []);
  const about = { ...machine(), ...options, missing: Object.fromEntries(missing) };
  const measured = answers.flatMap(({ question, samples }) =>
    [...samples].map(([key, found]) => ({
      question: question.name,
      key,
      samples: Object.fromEntries(found),
    })),
  );
  const images = plots.map((plot) => /** @type {const} */ ([plot, svg(plot)]));
  const files = {
    'results.json': `${JSON.stringify({ about, rows, measured }, null, 1)}\n`,
    'results.md': asMarkdown(
      about,
      rows,
      images.map(([plot]) => plot),
    ),
    'index.html': asPage(
      about,
      rows,
      images.map(([, image]) => image),
    ),
    ...Object.fromEntries(images.map(([{ id }, image]) => [`${id}.svg`, `${image}\n`])),
  };
  return Object.entries(files).map(([name, text]) => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return relative(process.cwd(), path);
  });
}

function machine() {
  const [cpu] = cpus();
  return {
    date: new Date().toISOString().slice(0, 10),
    commit: commit(),
    node: process.versions.node,
    system: `${platform()} ${release()} ${arch()}`,
    cpu: `${cpu?.model ?? 'unknown'}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GB`,
  };
}

function commit() {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], {
      cwd: root,
      encoding: 'utf8',
    }).trim();
  } catch {
    return 'unknown';
  }
}

/** @param {About} about */
function summary({ date, commit: version, node, system, cpu, repetitions, seconds, quick }) {
  const how = `${quick ? 'A quick look: ' : ''}${repetitions} interleaved repetitions of ${seconds} s, medians, ratios of runs that followed each other.`;
  return `${date}, commit ${version}, Node ${node}, ${system}, ${cpu}. ${how}`;
}

/**
 * @param {About} about @param {readonly Row[]} rows
 * @param {readonly import('./plots.mjs').Plot[]} plots
 */
function asMarkdown(about, rows, plots) {
  const images = plots.map(({ id, title }) => `![${title}](${id}.svg)`);
  const parts = [summary(about), '## Targets', targetsTable(rows), '## All figures'];
  return `${[...parts, figuresTable(rows), ...images].join('\n\n')}\n`;
}

/** @param {About} about @param {readonly Row[]} rows @param {readonly string[]} images */
function asPage(about, rows, images) {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>ioloop benchmarks</title>
<style>
:root { color-scheme: light dark; font: 15px/1.5 sans-serif; }
body { max-width: 75rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; }
td, th { padding: 0.2rem 0.8rem; border-bottom: 1px solid #8884; text-align: left; }
svg { max-width: 100%; height: auto; margin: 1.5rem 0; }
</style>
<h1>ioloop benchmarks</h1>
<p>${escaped(summary(about))}</p>
${images.join('\n')}
<h2>Targets</h2>
${table(targetsTable(rows))}
<h2>All figures</h2>
${table(figuresTable(rows))}
</html>
`;
}

/** A table of Markdown as one of HTML. @param {string} text */
function table(text) {
  const [titles, , ...lines] = text.split('\n').map((line) => line.slice(2, -2).split(' | '));
  const row = (/** @type {string[]} */ words, /** @type {string} */ tag) =>
    `<tr>${words.map((word) => `<${tag}>${escaped(word)}</${tag}>`).join('')}</tr>`;
  return `<table>\n${[row(titles ?? [], 'th'), ...lines.map((words) => row(words, 'td'))].join('\n')}\n</table>`;
}

/** @param {string} text */
function escaped(text) {
  return text.replace(/[&<>]/g, (letter) => `&#${letter.charCodeAt(0)};`);
}
