// Runs one compiled file of tests without ava, and writes TAP:
//
//   <runtime> build-portable/run.mjs build-portable/__test__/timers.test.js
//
// `IOLOOP_TEST_LIMIT`: seconds of one test. `IOLOOP_TEST_EXEC_PATH`: the command of the runtime,
// for tests that start it, where `process.execPath` is not one (under qemu).
// `IOLOOP_TEST_UNSUPPORTED`: the titles of tests, as JSON, or `all`, that are unsupported if the package
// refuses something in them, for a binary that cannot do everything.
import { basename, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { inspect } from 'node:util';
import { observeRefusals } from '#internal';
import { missingFor } from './capabilities.mjs';

const limitMs = 1e3 * Number(process.env['IOLOOP_TEST_LIMIT'] ?? 60);
const path = resolve(process.argv[2] ?? '');
const file = basename(path, '.test.js');
let count = 0;
let failures = 0;

/**
 * @param {string} title @param {'passed' | 'failed' | 'skipped' | 'unsupported'} outcome
 * @param {unknown} [detail] The problem, or what is missing.
 */
function report(title, outcome, detail) {
  count += 1;
  if (outcome === 'failed') failures += 1;
  const directives = { passed: '', failed: '', skipped: ' # SKIP', unsupported: '' };
  directives.unsupported = ` # SKIP unsupported, ${plain(String(detail))}`;
  console.log(
    `${outcome === 'failed' ? 'not ok' : 'ok'} ${count} - ${file} › ${plain(title)}${directives[outcome]}`,
  );
  if (outcome === 'failed') console.log(inspect(detail).replaceAll(/^/gm, '  '));
}

/** Without the sign that begins a directive of TAP. @param {string} text */
function plain(text) {
  return text.replaceAll('#', '');
}

// ava's own listeners: what nothing else handles fails the file. Tests that replace them restore them.
for (const event of ['uncaughtException', 'unhandledRejection']) {
  process.on(event, (error) => report(`${event} outside of a test`, 'failed', error));
}

if (process.env['IOLOOP_TEST_EXEC_PATH'] !== undefined) {
  process.execPath = process.env['IOLOOP_TEST_EXEC_PATH'];
}

const refusable = process.env['IOLOOP_TEST_UNSUPPORTED'] ?? '[]';
/** @type {string[] | null} */
const refusableTitles = refusable === 'all' ? null : JSON.parse(refusable);

const { runTests, startObserving } = /** @type {any} */ (await import('ava'));
startObserving(observeRefusals);
try {
  await import(pathToFileURL(path).href);
  await runTests({
    limitMs,
    missing: (/** @type {string} */ title) => missingFor(file, title),
    mayBeRefused: (/** @type {string} */ title) => refusableTitles?.includes(title) ?? true,
    report,
  });
} catch (error) {
  report('the file itself', 'failed', error);
}
console.log(`1..${count}`);
// As ava does: what tests have left behind does not keep the process.
process.exit(failures === 0 ? 0 : 1);
