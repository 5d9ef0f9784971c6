// `npm run test:wasm`: the suite over the WebAssembly flavour, in Node. All tests of a file are tried;
// those that need what it cannot do, such as file descriptors, are counted as unsupported. Their titles
// are in a table, and any other test that fails is a failure.
//
//   npm run test:wasm -- --quick             some files of each part
//   npm run test:wasm -- --match 'pattern'   tests by title
//   npm run test:wasm -- timers callbacks    test files by name
//   npm run test:wasm -- --update            writes the table of unsupported tests
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { quickTests, testsNeeding } from './lib/core-tests.mjs';
import { root, script } from './lib/process.mjs';
import { Report, heading, indented } from './lib/report.mjs';
import { setUp, setUpTests } from './lib/setup.mjs';
import { avaOverWasm, runStage } from './lib/stages.mjs';
import { UnsupportedTests, comparing, wasmTable } from './lib/unsupported.mjs';
import { setUpWasm } from './lib/wasm-binary.mjs';

/** Of the whole suite, which takes half of it on a machine of its own. */
const LIMIT_MS = 12 * 60_000;

const { values, positionals } = parseArgs({
  options: {
    match: { type: 'string' },
    quick: { type: 'boolean', default: false },
    update: { type: 'boolean', default: false },
  },
  allowPositionals: true,
});

/** Files that are run by name only: all of their tests are unsupported. */
const missing = new Set(Object.values(testsNeeding).flat());

await script(async () => {
  setUp();
  setUpTests();
  setUpWasm();
  const files = names();
  const tests = new UnsupportedTests(wasmTable, missing);
  const stage = avaOverWasm({
    match: values.match,
    files: files.map((name) => `build/__test__/${name}.test.js`),
  });
  const options = {
    only: files.length === 1 ? (files[0] ?? '') : '',
    isPart: values.match !== undefined,
    isUpdate: values.update,
  };
  const report = new Report();
  heading(stage.name);
  if (positionals.length === 0 && !values.quick) {
    for (const [what, left] of Object.entries(testsNeeding)) {
      console.log(`not run, as they need ${what}: ${left.join(', ')}`);
    }
  }
  await report.measure(stage.name, async () => {
    const result = await runStage(
      {
        ...stage,
        limitMs: LIMIT_MS,
        counter: (show) => comparing(stage.counter(show), tests, options, show),
      },
      indented,
    );
    // What is skipped needs a capability, too: its title says which.
    const { unsupported = 0, skipped } = result;
    return { ...result, skipped: 0, unsupported: unsupported + skipped };
  });
  report.close();
  if (values.update) await tests.update();
});

/** The files to run. */
function names() {
  if (positionals.length > 0) return positionals;
  if (values.quick) return quickTests.filter((name) => !missing.has(name));
  return readdirSync(join(root, '__test__'))
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => file.slice(0, -'.test.ts'.length))
    .filter((name) => !missing.has(name));
}
