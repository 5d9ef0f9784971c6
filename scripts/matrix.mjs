// `npm run test:matrix`: the ava suite over both drivers under other versions of Node, from npm.
//
//   npm run test:matrix -- --node 22,24
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root, run, script, stream } from './lib/process.mjs';
import { tapCounter } from './lib/counters.mjs';
import { setUp, setUpTests } from './lib/setup.mjs';

const { values } = parseArgs({ options: { node: { type: 'string', default: '22,24,26' } } });

await script(async () => {
  setUp();
  setUpTests();
  const total = { passed: 0, failed: 0 };
  const table = [];
  for (const major of values.node.split(',')) {
    const node = nodeBinary(major);
    for (const driver of ['libuv', 'thread']) {
      console.log(`\n--- Node ${major}, ${driver} driver`);
      const result = await ava(node, driver);
      table.push(`Node ${major}, ${driver}: ${result.passed} passed, ${result.failed} failed`);
      total.passed += result.passed;
      total.failed += result.failed;
    }
  }
  console.log(`\n${table.join('\n')}\n\n${total.passed} passed, ${total.failed} failed`);
  process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
});

/**
 * The newest release of a major version, kept in `.cache`.
 * @param {string} major
 */
function nodeBinary(major) {
  const name = `node-${process.platform}-${process.arch}`;
  const folder = join(root, '.cache', `node-${major}`);
  const binary = join(folder, 'node_modules', name, 'bin', 'node');
  if (existsSync(binary)) return binary;
  mkdirSync(folder, { recursive: true });
  run('npm', ['install', '--prefix', folder, '--no-save', '--no-audit', `${name}@${major}`], {
    quiet: true,
  });
  return binary;
}

/** @param {string} node @param {string} driver */
async function ava(node, driver) {
  const counter = tapCounter();
  const code = await stream(
    node,
    [join(root, 'node_modules', 'ava', 'entrypoints', 'cli.mjs'), '--tap'],
    {
      env: { IOLOOP_DRIVER: driver, FORCE_COLOR: '0' },
      onLine: (line) => {
        const shown = counter.read(line);
        if (shown !== null) console.log(shown);
      },
    },
  );
  return counter.end(code);
}
