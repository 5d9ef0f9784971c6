// The report: results as JSON, tables as Markdown, plots as SVG, and a page of all as HTML. Markdown
// and SVG of a full run are committed (`docs/benchmarks`).
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { atLimit } from '../lib/compare.mjs';
import { plotsOf, rowsOf } from '../lib/question.mjs';
import { figuresTable, furtherTable, markdown, targetsTable } from '../lib/table.mjs';
import { svg } from './plots.mjs';
import { repetitionsOf, writeResults } from './results.mjs';
import { shortOf } from './short.mjs';

/** @typedef {import('../lib/compare.mjs').Row} Row */
/** @typedef {import('./results.mjs').Results} Results */
/** @typedef {import('./plots.mjs').Plot} Plot */

/** @param {string} folder @param {Results} results @returns {string[]} The files. */
export function writeReport(folder, results) {
  mkdirSync(folder, { recursive: true });
  writeResults(join(folder, 'results.json'), results);
  const pages = { ...pagesOf(results), 'index.html': asPage(results) };
  const files = Object.entries(pages).map(([name, text]) => {
    writeFileSync(join(folder, name), text);
    return name;
  });
  return ['results.json', ...files].map((name) => relative(process.cwd(), join(folder, name)));
}

/** What is committed: by name, `results.md` and the plots. @param {Results} results @returns {Record<string, string>} */
export function pagesOf(results) {
  const plots = allPlots(results);
  const images = plots.map((plot) => [`${plot.id}.svg`, `${svg(plot)}\n`]);
  return { 'results.md': asMarkdown(results, plots), ...Object.fromEntries(images) };
}

/** @param {Results} results */
function allPlots({ answers }) {
  return answers.flatMap(({ question, samples }) => plotsOf(question, samples));
}

/** @param {Results} results */
function allRows({ answers }) {
  return answers.flatMap(({ question, samples }) => rowsOf(question, samples));
}

/** @param {Results} results */
function summary({ answers, about }) {
  const { date, commit, node, system, cpu, seconds, quick, userTime } = about;
  const first = quick ? 'A quick look: ' : '';
  const repetitions = repetitionsOf(answers);
  const user = userTime === 'samples' ? 'sampled at 5 kHz' : "by the kernel's ticks";
  const how = `${first}${repetitions} interleaved repetition${repetitions === 1 ? '' : 's'} of ${seconds} s, medians, ratios of runs that followed each other; user CPU ${user}.`;
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

/** @param {Results} results @param {readonly Plot[]} plots */
function asMarkdown(results, plots) {
  const rows = allRows(results);
  const short = shortOf(results.answers, rows, plots);
  const inShort = short.join('\n');
  const others = plots
    .map(({ id, title }) => `![${title}](${id}.svg)`)
    .filter((image) => !inShort.includes(image));
  const parts = [
    '# Benchmarks',
    summary(results),
    '## In short',
    'In brackets: how many times better than that peer; below 1 the peer is better.',
    ...short,
    '## Targets',
    targetsTable(rows, markdown),
    '## Further targets',
    furtherTable(rows, markdown),
    '## All figures',
    figuresTable(rows, markdown),
    ...others,
    ...notes(results),
  ];
  return `${parts.join('\n\n')}\n`;
}

/** @param {Results} results */
function asPage(results) {
  const rows = allRows(results);
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
<p>${escaped(summary(results))}</p>
${allPlots(results)
  .map((plot) => svg(plot))
  .join('\n')}
<h2>Targets</h2>
${targetsTable(rows, html)}
<h2>Further targets</h2>
${furtherTable(rows, html)}
<h2>All figures</h2>
${figuresTable(rows, html)}
${notes(results)
  .map((text) => `<p>${escaped(text)}</p>`)
  .join('\n')}
</html>
`;
}

/** @param {readonly string[]} titles @param {readonly (readonly string[])[]} lines */
function html(titles, lines) {
  const row = (/** @type {readonly string[]} */ words, /** @type {string} */ tag) =>
    `<tr>${words.map((word) => `<${tag}>${escaped(word)}</${tag}>`).join('')}</tr>`;
  return `<table>\n${[row(titles, 'th'), ...lines.map((words) => row(words, 'td'))].join('\n')}\n</table>`;
}

/** @param {string} text */
function escaped(text) {
  return text.replace(/[&<>]/g, (letter) => `&#${letter.charCodeAt(0)};`);
}
