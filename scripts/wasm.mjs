// `npm run test:wasm`: the core of the suite, and its streams and servers, over the WebAssembly flavour,
// in Node. All tests of a file are tried; those that need what it cannot do, such as file descriptors, are
// counted as unsupported, of some files so many (`mostUnsupported`). It takes about 5 minutes; after 11
// it is ended, as a failure.
//
//   npm run test:wasm -- --quick             some files of each part
//   npm run test:wasm -- --all               all files: also those of native code, some of which fail
//   npm run test:wasm -- --match 'pattern'   tests by title
//   npm run test:wasm -- timers callbacks    test files by name
import { parseArgs } from 'node:util';
import {
  coreTests,
  mostUnsupported,
  quickTests,
  socketTests,
  testsOfDescriptors,
} from './lib/core-tests.mjs';
import { script } from './lib/process.mjs';
import { Report, heading, indented } from './lib/report.mjs';
import { setUp, setUpTests } from './lib/setup.mjs';
import { avaOverWasm, runStage } from './lib/stages.mjs';
import { setUpWasm } from './lib/wasm-binary.mjs';

const LIMIT_MS = 11 * 60_000;

const { values, positionals } = parseArgs({
  options: {
    match: { type: 'string' },
    quick: { type: 'boolean', default: false },
    all: { type: 'boolean', default: false },
  },
  allowPositionals: true,
});

await script(async () => {
  setUp();
  setUpTests();
  setUpWasm();
  const files = names().map((name) => `build/__test__/${name}.test.js`);
  const stage = avaOverWasm({ match: values.match, files });
  const report = new Report();
  heading(stage.name);
  await report.measure(stage.name, async () => {
    const result = await runStage({ ...stage, limitMs: LIMIT_MS }, indented);
    // What is skipped needs a backend, too: its title says which.
    const { unsupported = 0, skipped } = result;
    return { ...result, skipped: 0, unsupported: unsupported + skipped };
  });
  report.close();
});

/** The files to run; none are all. */
function names() {
  if (positionals.length > 0) return positionals;
  if (values.all) return [];
  if (values.quick) return quickTests;
  const all = new Set([...coreTests, ...socketTests, ...Object.keys(mostUnsupported)]);
  return [...all].filter((name) => !testsOfDescriptors.includes(name));
}
