// The report: figures as JSON, a table as Markdown, plots as SVG, and a page with all of it.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { arch, cpus, platform, release, totalmem } from 'node:os';
import { join, relative } from 'node:path';
import { root } from '../../scripts/lib/process.mjs';
import { markdown } from '../lib/table.mjs';
import { svg } from './plots.mjs';

/** @typedef {import('../lib/run.mjs').Samples} Samples */
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
    'results.md': `${summary(about)}\n\n${markdown(rows)}\n\n${images.map(([{ id, title }]) => `![${title}](${id}.svg)`).join('\n\n')}\n`,
    'index.html': page(
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

/** @param {ReturnType<typeof machine> & import('../lib/run.mjs').Options} about */
function summary({ date, commit: version, node, system, cpu, repetitions, seconds, quick }) {
  const how = `${quick ? 'A quick look: ' : ''}${repetitions} interleaved repetitions of ${seconds} s, medians, ratios of runs that followed each other.`;
  return `${date}, commit ${version}, Node ${node}, ${system}, ${cpu}. ${how}`;
}

/**
 * @param {ReturnType<typeof machine> & import('../lib/run.mjs').Options} about
 * @param {readonly import('../lib/compare.mjs').Row[]} rows @param {readonly string[]} images
 */
function page(about, rows, images) {
  const cells = markdown(rows)
    .split('\n')
    .filter((_, index) => index !== 1)
    .map((text) => text.slice(2, -2).split(' | '));
  const table = cells
    .map((row, index) => {
      const tag = index === 0 ? 'th' : 'td';
      return `<tr>${row.map((text) => `<${tag}>${escaped(text)}</${tag}>`).join('')}</tr>`;
    })
    .join('\n');
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>ioloop benchmarks</title>
<style>
:root { color-scheme: light dark; font: 15px/1.5 sans-serif; }
body { max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; }
td, th { padding: 0.2rem 0.8rem; border-bottom: 1px solid #8884; text-align: left; }
td:nth-child(2), td:nth-child(4) { text-align: right; white-space: nowrap; }
svg { max-width: 100%; height: auto; margin: 1.5rem 0; }
</style>
<h1>ioloop benchmarks</h1>
<p>${escaped(summary(about))}</p>
<table>
${table}
</table>
${images.join('\n')}
</html>
`;
}

/** @param {string} text */
function escaped(text) {
  return text.replace(/[&<>]/g, (letter) => `&#${letter.charCodeAt(0)};`);
}
