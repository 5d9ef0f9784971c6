// The report: results as JSON, tables as Markdown, plots as SVG, and a page of all as HTML. Markdown
// and SVG of a full run are committed (`docs/benchmarks`).
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { atLimit } from '../lib/compare.mjs';
import { plotsOf, rowsOf } from '../lib/question.mjs';
import { figuresTable, targetsTable } from '../lib/table.mjs';
import { questionsOf } from '../questions/index.mjs';
import { machine, versionsOf } from './machine.mjs';
import { svg } from './plots.mjs';

/** @typedef {import('../lib/run.mjs').Samples} Samples */
/** @typedef {import('../lib/compare.mjs').Row} Row */
/** @typedef {import('../lib/measure.mjs').Answer} Answer */
/** @typedef {import('../lib/run.mjs').Options & { missing: Record<string, string>, failures: readonly string[] }} Asked */
/** @typedef {ReturnType<typeof about>} About */
/** @typedef {{ answers: readonly Answer[], about: About }} Results */

/** The conditions of the measurements. @param {Asked} asked */
export function about(asked) {
  const versions = versionsOf([...new Set([...asked.peers, ...asked.runtimes])]);
  return { ...machine(), ...asked, versions };
}

/** @param {string} folder @param {Results} results @returns {string[]} The files. */
export function writeReport(folder, results) {
  mkdirSync(folder, { recursive: true });
  const { answers } = results;
  const rows = answers.flatMap(({ question, samples }) => rowsOf(question, samples));
  const plots = answers.flatMap(({ question, samples }) => plotsOf(question, samples));
  const images = plots.map((plot) => /** @type {const} */ ([plot, svg(plot)]));
  const files = {
    'results.json': asJson(results, rows),
    'results.md': asMarkdown(results, rows, plots),
    'index.html': asPage(
      results,
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

/** Reads `results.json` of {@link writeReport}. @param {string} file @returns {Results} */
export function readResults(file) {
  const { about: found, measured } = JSON.parse(readFileSync(file, 'utf8'));
  /** @type {Map<string, Map<string, Samples>>} */
  const samples = new Map();
  for (const { question, key, samples: peers } of measured) {
    if (!samples.has(question)) samples.set(question, new Map());
    samples.get(question)?.set(key, new Map(Object.entries(peers)));
  }
  const questions = questionsOf([...samples.keys()], found);
  return {
    about: found,
    answers: questions.map((question) => ({
      question,
      samples: samples.get(question.name) ?? new Map(),
    })),
  };
}

/** @param {About} about */
function summary({ date, commit, node, system, cpu, repetitions, seconds, quick }) {
  const how = `${quick ? 'A quick look: ' : ''}${repetitions} interleaved repetitions of ${seconds} s, medians, ratios of runs that followed each other.`;
  return `${date}, commit ${commit}, Node ${node}, ${system}, ${cpu}. ${how}`;
}

/** Notes below the tables. @param {Results} results */
function notes({ answers, about: { versions, missing, failures } }) {
  const list = (/** @type {Record<string, string>} */ words) =>
    Object.entries(words).map(([name, text]) => `${name}: ${text}`);
  const limited = answers.flatMap(({ samples }) => atLimit(samples));
  const parts = [
    ['Versions', list(versions)],
    ['The load generator was at its limit, so that a faster server would not have shown', limited],
    ['Left out', list(missing)],
    ['Something was lost, so that there is no figure', failures],
  ];
  return parts
    .filter(([, found]) => found?.length)
    .map(([title, found]) => `${title}: ${/** @type {string[]} */ (found).join('; ')}.`);
}

/** Rounds to six digits. @param {Results} results @param {readonly Row[]} rows */
function asJson({ answers, about: asked }, rows) {
  const measured = answers.flatMap(({ question, samples }) =>
    [...samples].map(([key, found]) => ({
      question: question.name,
      key,
      samples: Object.fromEntries(found),
    })),
  );
  const rounded = (/** @type {string} */ _, /** @type {unknown} */ value) =>
    typeof value === 'number' ? Number(value.toPrecision(6)) : value;
  return `${JSON.stringify({ about: asked, rows, measured }, rounded, 1)}\n`;
}

/**
 * @param {Results} results @param {readonly Row[]} rows
 * @param {readonly import('./plots.mjs').Plot[]} plots
 */
function asMarkdown(results, rows, plots) {
  const images = plots.map(({ id, title }) => `![${title}](${id}.svg)`);
  const parts = ['# Benchmarks', summary(results.about), '## Targets', targetsTable(rows)];
  const all = ['## All figures', figuresTable(rows), ...images, ...notes(results)];
  return `${[...parts, ...all].join('\n\n')}\n`;
}

/** @param {Results} results @param {readonly Row[]} rows @param {readonly string[]} images */
function asPage(results, rows, images) {
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
<p>${escaped(summary(results.about))}</p>
${images.join('\n')}
<h2>Targets</h2>
${table(targetsTable(rows))}
<h2>All figures</h2>
${table(figuresTable(rows))}
${notes(results)
  .map((text) => `<p>${escaped(text)}</p>`)
  .join('\n')}
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
