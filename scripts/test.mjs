// `npm test`: set up, run the stages, count. The last line is `N passed, N failed`.
//
//   npm test -- --only check|cargo|ava   one kind of stage
//   npm test -- --driver libuv|thread    the whole suite over one driver
//   npm test -- --match 'pattern'        ava tests by title
//   npm test -- --tiny                   the ava suite once more, at tiny capacities
//   npm run test:all                     `--all`: both drivers, the models of loom, connections that come and go
//   npm run test:loom                    only these: `--only loom`
//
// Without `--all`, only the core of the suite runs over the thread driver.
import { parseArgs } from 'node:util';
import { coreTests } from './lib/core-tests.mjs';
import { among, Hint, script } from './lib/process.mjs';
import { Report, heading, indented } from './lib/report.mjs';
import { checkCargo, checkNode } from './lib/requirements.mjs';
import { installDependencies, setUp, setUpTests } from './lib/setup.mjs';
import {
  avaTests,
  cargoTests,
  checks,
  connections,
  drivers,
  kinds,
  loomModels,
  runStage,
} from './lib/stages.mjs';

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    driver: { type: 'string' },
    match: { type: 'string' },
    tiny: { type: 'boolean', default: false },
    all: { type: 'boolean', default: false },
  },
});

const report = new Report();

await script(async () => {
  among('only', values.only, kinds);
  among('driver', values.driver, drivers);
  checkNode();
  checkCargo();
  // Of Rust only: no need of the package.
  if (values.only !== 'loom') await prepareAndCheck();
  if (wanted('cargo')) await oneByOne([cargoTests()]);
  if (wanted('ava')) {
    const selected = drivers.filter(
      (name) => values.driver === undefined || name === values.driver,
    );
    const { match } = values;
    await oneByOne(selected.map((driver) => avaTests(driver, { match, files: filesOver(driver) })));
    if (values.tiny) await oneByOne([avaTests('libuv', { match, tiny: true })]);
  }
  if (values.all || values.only === 'loom') await oneByOne([loomModels()]);
  if (values.all) await oneByOne([connections()]);
  report.close();
});

/** The files that run over a driver: none named are all. @param {string} driver */
function filesOver(driver) {
  const isCore = driver === 'thread' && !values.all && values.driver === undefined;
  return isCore ? coreTests.map((name) => `build/__test__/${name}.test.js`) : [];
}

/** The set-up; beside it, the checks that do not need it; then the others. */
async function prepareAndCheck() {
  const all = wanted('check') ? checks() : [];
  let ofSources = Promise.resolve();
  await report.measure('set-up', () =>
    prepare(() => {
      ofSources = sideBySide(all.filter(({ isOfSources }) => isOfSources === true));
    }),
  );
  await ofSources;
  await sideBySide(all.filter(({ isOfSources }) => isOfSources !== true));
}

/** A set-up that fails is one failed check. @param {() => void} afterInstallation */
async function prepare(afterInstallation) {
  try {
    installDependencies();
    afterInstallation();
    setUp();
    // Without the checks nothing else compiles them.
    if (!wanted('check')) setUpTests();
    return { passed: 1, failed: 0, skipped: 0 };
  } catch (error) {
    if (!(error instanceof Hint)) throw error;
    console.log(error.message);
    return { passed: 0, failed: 1, skipped: 0 };
  }
}

/** @param {import('./lib/stages.mjs').Stage[]} stages */
async function oneByOne(stages) {
  for (const stage of stages) {
    heading(stage.name);
    await report.measure(stage.name, () => runStage(stage, indented));
  }
}

/** The output of each stage is shown at its end. @param {import('./lib/stages.mjs').Stage[]} stages */
async function sideBySide(stages) {
  const running = stages.map((stage) =>
    report.measure(stage.name, async () => {
      /** @type {string[]} */
      const lines = [];
      const result = await runStage(stage, (line) => lines.push(line));
      heading(stage.name);
      for (const line of lines) indented(line);
      return result;
    }),
  );
  await Promise.all(running);
}

/** @param {string} kind */
function wanted(kind) {
  return values.only === undefined || values.only === kind;
}
