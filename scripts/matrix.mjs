// `npm run test:matrix`: the ava suite over both drivers under other versions of Node, from npm.
// The binary is the same for all of them: Node-API promises that it works.
//
//   npm run test:matrix -- --node 22,24
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root, run, script } from './lib/process.mjs';
import { Report, heading, indented } from './lib/report.mjs';
import { setUp, setUpTests } from './lib/setup.mjs';
import { avaTests, drivers, runStage } from './lib/stages.mjs';

const { values } = parseArgs({ options: { node: { type: 'string', default: '22,24,26' } } });

await script(async () => {
  setUp();
  setUpTests();
  const report = new Report();
  for (const major of values.node.split(',')) {
    const node = nodeBinary(major);
    const version = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim();
    for (const driver of drivers) {
      const name = `Node ${version}, ${driver} driver`;
      heading(name);
      await report.measure(name, () => runStage(avaTests(driver, { node }), indented));
    }
  }
  report.close();
});

/**
 * The newest release of a major version when it was first asked for, kept in `.cache`.
 * @param {string} major
 */
function nodeBinary(major) {
  const name = `node-${process.platform}-${process.arch}`;
  const folder = join(root, '.cache', `node-${major}`);
  const binary = join(folder, 'node_modules', name, 'bin', 'node');
  if (existsSync(binary)) return binary;
  console.log(`fetching Node ${major}`);
  mkdirSync(folder, { recursive: true });
  run('npm', ['install', '--prefix', folder, '--no-save', '--no-audit', `${name}@${major}`]);
  return binary;
}
