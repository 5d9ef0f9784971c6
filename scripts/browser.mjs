// `npm run test:browser`: the package in Chromium, without cross-origin isolation: bundled by esbuild
// and Vite, with its errors, and the ordinary tests. Tests that need what a browser lacks are counted
// as unsupported: those that are refused, and those that are declared for other capabilities. The titles
// of the former are in a table, and any other test that fails is a failure.
//
//   npm run test:browser -- --quick
//   npm run test:browser -- timers callbacks    test files by name
//   npm run test:browser -- --update            writes the table of unsupported tests
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { checks } from './browser/checks.mjs';
import { browserTests, quickBrowserTests } from './browser/tests.mjs';
import { setUpBrowser } from './lib/browser-bundle.mjs';
import { bundleTests } from './lib/browser-tests.mjs';
import { browserTools, chromium, openPages } from './lib/chromium.mjs';
import { add, summary } from './lib/counters.mjs';
import { root, script } from './lib/process.mjs';
import { setUp } from './lib/setup.mjs';
import { UnsupportedTests } from './lib/unsupported.mjs';

/** Of one file of tests, in milliseconds. */
const LIMIT_MS = 120_000;

const { values, positionals } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    update: { type: 'boolean', default: false },
  },
  allowPositionals: true,
});

const tests = new UnsupportedTests('__test__/by-capability/unsupported-in-browsers.json');
const total = { passed: 0, failed: 0, skipped: 0, unsupported: 0 };

await script(async () => {
  // Before the minutes that the set-up may take.
  chromium();
  setUp();
  setUpBrowser();
  const tools = browserTools();
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'ioloop-browser-')));
  cpSync(join(root, 'dist', 'browser'), join(folder, 'ioloop'), { recursive: true });
  mkdirSync(join(folder, 'tests'));
  const pages = await openPages(folder, tools);
  try {
    if (positionals.length === 0) await runChecks({ pages, folder, tools });
    const listed = values.quick ? quickBrowserTests : browserTests;
    const names = positionals.length > 0 ? positionals : listed;
    await bundleTests(names, join(folder, 'tests'), tools);
    for (const name of names) await runFile(pages, name);
  } finally {
    await pages.close();
    rmSync(folder, { recursive: true, force: true });
  }
  if (values.update) await tests.update();
  else compare();
  console.log(
    `\n${total.passed} passed, ${total.failed} failed, ${total.unsupported + total.skipped} unsupported`,
  );
  process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
});

/** @param {import('./browser/checks.mjs').Site} site */
async function runChecks(site) {
  for (const { name, run } of checks) {
    let problem;
    try {
      await run(site);
    } catch (error) {
      problem = error;
    }
    total[problem === undefined ? 'passed' : 'failed'] += 1;
    console.log(`${problem === undefined ? 'passed' : 'FAILED'}  ${name}`);
    if (problem !== undefined) console.log(indented(String(problem?.stack ?? problem)));
  }
}

/** Counts the differences from the table as failures. */
function compare() {
  const differences = tests.differences();
  total.failed += differences.length;
  for (const line of differences) console.log(`FAILED  ${line}`);
}

/** @param {import('./lib/chromium.mjs').Pages} pages @param {string} name */
async function runFile(pages, name) {
  const counts = { passed: 0, failed: 0, skipped: 0, unsupported: 0 };
  const rows = await Promise.race([runInPage(pages, name), timeLimit()]).catch((error) => [
    { title: 'the file itself', outcome: 'failed', detail: String(error) },
  ]);
  tests.ran(name);
  for (const { title, outcome } of rows) {
    counts[outcome] += 1;
    if (outcome === 'unsupported') tests.add(name, title);
  }
  add(total, counts);
  console.log(`${name}: ${summary(counts)}`);
  for (const { title, outcome, detail } of rows) {
    if (outcome === 'failed') console.log(`  FAILED ${title}\n${indented(detail)}`);
    else if (outcome !== 'passed') console.log(`  ${outcome} ${title}: ${detail}`);
  }
}

/**
 * @param {import('./lib/chromium.mjs').Pages} pages @param {string} name
 * @returns {Promise<import('./browser/page.mjs').Row[]>}
 */
function runInPage(pages, name) {
  return pages.run('/', runTests, `/tests/${name}.js`);
}

/** Runs in the page. @param {string} url */
async function runTests(url) {
  const { run } = await import(url);
  return run();
}

/** @returns {Promise<never>} */
function timeLimit() {
  return new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`took more than ${LIMIT_MS / 1e3} s`)), LIMIT_MS).unref();
  });
}

/** @param {string} text */
function indented(text) {
  return text.replaceAll(/^/gm, '      ');
}
