// The flavours of the package, and how the suite runs over each: `npm run test:flavours`.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { coreTests, quickTests } from './core-tests.mjs';
import { crossRows } from './cross-rows.mjs';
import { pollBinary } from './poll-binary.mjs';
import { portableStage, runPortable } from './portable.mjs';
import { Hint, root, stream } from './process.mjs';
import { otherRuntime } from './runtimes.mjs';
import { drivers } from './stages.mjs';

/**
 * @typedef {import('./counters.mjs').Result} Result
 * @typedef {import('./counters.mjs').Show} Show
 *
 * @typedef {object} Flavour
 * @property {string} name of the row
 * @property {string} group What `--only` selects.
 * @property {string} suite What runs: all of ava's tests, or the core of them.
 * @property {(show: Show) => Promise<Result>} run A {@link Hint} is the reason why it cannot.
 */

/** How long a row may take, in milliseconds. */
const LIMIT_MS = 15 * 60_000;

/** All rows, in the order of the table. @param {boolean} isQuick @returns {Flavour[]} */
export function flavours(isQuick) {
  const files = isQuick ? quickTests : coreTests;
  const suite = isQuick ? 'core, quick' : 'core';
  return [
    ...drivers.map((driver) => native(driver, isQuick)),
    poll(isQuick),
    command('wasm in Node', 'wasm', 'test:wasm', isQuick),
    command('wasm in Chromium', 'browser', 'test:browser', isQuick),
    ...['bun', 'deno'].map((name) => ({
      name: `${name === 'bun' ? 'Bun' : 'Deno'}, thread driver`,
      group: name,
      suite,
      run: (/** @type {Show} */ show) =>
        runPortable(portableStage(otherRuntime(name, true), { driver: 'thread' }), files, show),
    })),
    ...crossRows(isQuick ? 'quick' : 'table'),
  ];
}

/** @param {string} driver @param {boolean} isQuick @returns {Flavour} */
function native(driver, isQuick) {
  const node = [process.execPath, '--expose-gc'];
  return {
    name: `native, ${driver} driver`,
    group: 'native',
    suite: isQuick ? 'core, quick' : 'all',
    run: (show) =>
      isQuick
        ? runPortable(portableStage(node, { driver }), quickTests, show)
        : counted('test', ['--only', 'ava', '--driver', driver], show),
  };
}

/** @param {boolean} isQuick @returns {Flavour} */
function poll(isQuick) {
  const node = [process.execPath, '--expose-gc'];
  return {
    name: 'native, poll(2)',
    group: 'poll',
    suite: isQuick ? 'core, quick' : 'all',
    run: (show) => {
      if (!isQuick) return counted('test:poll', ['--only', 'ava'], show);
      const stage = portableStage(node, { driver: 'thread', binary: pollBinary() });
      return runPortable(
        { ...stage, env: { ...stage.env, IOLOOP_TEST_BACKEND: 'poll' } },
        quickTests,
        show,
      );
    },
  };
}

/**
 * A flavour that has a command of its own.
 * @param {string} name @param {string} group @param {string} script @param {boolean} isQuick
 * @returns {Flavour}
 */
function command(name, group, script, isQuick) {
  const args = isQuick ? ['--quick'] : [];
  return {
    name,
    group,
    suite: isQuick ? 'its own, quick' : 'its own',
    run: (show) => counted(script, args, show),
  };
}

/**
 * Runs a script of package.json and takes the counts of its last line.
 * @param {string} script @param {string[]} args @param {Show} show
 * @returns {Promise<Result>}
 */
async function counted(script, args, show) {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  if (scripts[script] === undefined) throw new Hint(`there is no \`npm run ${script}\``);
  let last = '';
  const code = await stream('npm', ['run', '--silent', script, '--', ...args], {
    limitMs: LIMIT_MS,
    onLine: (line) => {
      show(line);
      if (line.trim() !== '') last = line.trim();
    },
  });
  const found = last.match(COUNTS);
  if (found === null) throw new Hint(`\`npm run ${script}\` ended with code ${code}: ${last}`);
  const [passed = 0, failed = 0, skipped = 0, unsupported = 0] = found
    .slice(1)
    .map((count) => Number(count ?? 0));
  return { passed, failed: code === 0 ? failed : Math.max(1, failed), skipped, unsupported };
}

/** The last line of a command. */
const COUNTS = /^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?(?:, (\d+) unsupported)?$/;
