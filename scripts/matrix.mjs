// `npm run test:matrix`: the ava suite over both drivers under other versions of Node, and the facts
// of `__test__/runtimes` under Bun and Deno; all of them from npm. The binary is the same for all:
// Node-API promises that it works.
//
//   npm run test:matrix -- --node 22,24 --others bun
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { list, script } from './lib/process.mjs';
import { Report, heading, indented } from './lib/report.mjs';
import { nodeBinary, otherRuntime } from './lib/runtimes.mjs';
import { setUp, setUpTests } from './lib/setup.mjs';
import { avaTests, drivers, runStage, runtimeFacts } from './lib/stages.mjs';

const { values } = parseArgs({
  options: {
    node: { type: 'string', default: '22,24,26' },
    others: { type: 'string', default: 'bun,deno' },
  },
});

await script(async () => {
  setUp();
  setUpTests();
  const report = new Report();
  for (const major of list(values.node)) {
    const node = nodeBinary(major);
    const version = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim();
    for (const driver of drivers) {
      const name = `Node ${version}, ${driver} driver`;
      heading(name);
      await report.measure(name, () => runStage(avaTests(driver, { node }), indented));
    }
  }
  for (const name of list(values.others)) {
    const stage = runtimeFacts(name, otherRuntime(name));
    heading(name);
    await report.measure(name, () => runStage(stage, indented));
  }
  report.close();
});
