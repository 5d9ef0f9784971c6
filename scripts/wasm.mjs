// `npm run test:wasm`: the ava suite over the WebAssembly flavour, in Node. All tests are tried; those
// that need what it cannot do, such as file descriptors, are counted as unsupported.
//
//   npm run test:wasm -- --match 'pattern'   tests by title
//   npm run test:wasm -- timers callbacks    test files by name
//   npm run test:wasm -- --quick             one or two files of each part
import { parseArgs } from 'node:util';
import { quickTests } from './lib/core-tests.mjs';
import { script } from './lib/process.mjs';
import { Report, heading, indented } from './lib/report.mjs';
import { setUp, setUpTests } from './lib/setup.mjs';
import { avaOverWasm, runStage } from './lib/stages.mjs';
import { setUpWasm } from './lib/wasm-binary.mjs';

const { values, positionals } = parseArgs({
  options: { match: { type: 'string' }, quick: { type: 'boolean', default: false } },
  allowPositionals: true,
});

await script(async () => {
  setUp();
  setUpTests();
  setUpWasm();
  const names = values.quick ? [...quickTests, ...positionals] : positionals;
  const files = names.map((name) => `build/__test__/${name}.test.js`);
  const stage = avaOverWasm({ match: values.match, files });
  const report = new Report();
  heading(stage.name);
  await report.measure(stage.name, () => runStage(stage, indented));
  report.close();
});
