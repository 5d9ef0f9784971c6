// `npm run test:flavours`: the suite over every flavour of the package that can run here, as one table.
// Unsupported are tests that need what a flavour does not have. A flavour that cannot run (no
// emulator, no browser) is a row with the reason; without --allow-missing it counts as one failure.
//
// A row says what ran: all of the suite, its core, or some files of it. On a quiet machine with two
// cores the table takes half an hour, and the binaries of a fresh clone about 10 minutes before.
//
//   npm run test:flavours -- --quick                 some files of the core over each: 10 minutes
//   npm run test:flavours -- --only native,bun       some groups
//   npm run test:flavours -- --allow-missing
import { parseArgs } from 'node:util';
import { flavours } from './lib/flavours.mjs';
import { setUpPortable } from './lib/portable.mjs';
import { Hint, list, script } from './lib/process.mjs';
import { heading, indented } from './lib/report.mjs';

/** @typedef {import('./lib/counters.mjs').Result} Result */

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    'allow-missing': { type: 'boolean', default: false },
  },
});

await script(async () => {
  const all = flavours(values.quick);
  const groups = [...new Set(all.map(({ group }) => group))];
  const only = values.only === undefined ? groups : list(values.only);
  for (const group of only) {
    if (!groups.includes(group))
      throw new Hint(`--only is of ${groups.join(', ')}, and not ${group}.`);
  }
  setUpPortable();
  /** @type {{ name: string, suite: string, result: Result | string, seconds: number }[]} */
  const rows = [];
  for (const { name, group, suite, run } of all) {
    if (!only.includes(group)) continue;
    heading(name);
    const start = performance.now();
    const result = await resultOf(run);
    rows.push({ name, suite, result, seconds: (performance.now() - start) / 1e3 });
  }
  print(rows);
});

/** @param {(show: (line: string) => void) => Promise<Result>} run @returns {Promise<Result | string>} */
async function resultOf(run) {
  try {
    return await run(indented);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    indented(message);
    // Only a reason why it cannot run is not a failure of its own.
    if (!(error instanceof Hint)) return { passed: 0, failed: 1, skipped: 0 };
    return message.split('\n').at(-1) ?? '';
  }
}

/** @param {{ name: string, suite: string, result: Result | string, seconds: number }[]} rows */
function print(rows) {
  const total = { passed: 0, failed: 0, skipped: 0, missing: 0 };
  const cells = rows.map(({ name, suite, result, seconds }) => {
    if (typeof result === 'string') {
      total.missing += 1;
      return [name, suite, '', '', '', '', `not run: ${result}`];
    }
    const { passed, failed } = result;
    const skipped = result.skipped + (result.unsupported ?? 0);
    total.passed += passed;
    total.failed += failed;
    total.skipped += skipped;
    return [name, suite, ...[passed, skipped, failed].map(String), `${seconds.toFixed(0)} s`, ''];
  });
  const head = ['flavour', 'suite', 'passed', 'unsupported', 'failed', 'time', ''];
  const table = [head, ...cells];
  const widths = head.map((_, column) => Math.max(...table.map((row) => row[column].length)));
  console.log('');
  for (const row of table) {
    const line = row.map((cell, at) =>
      at < 2 ? cell.padEnd(widths[at]) : cell.padStart(widths[at]),
    );
    console.log(line.join('  ').trimEnd());
  }
  if (values['allow-missing']) console.log(`\nflavours not run: ${total.missing}`);
  else total.failed += total.missing;
  const { passed, failed, skipped } = total;
  console.log(`\n${passed} passed, ${failed} failed, ${skipped} unsupported`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
}
