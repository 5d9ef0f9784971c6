// `npm run test:matrix`: the ava suite over both drivers under other versions of Node, and the facts
// of `__test__/runtimes` under Bun and Deno; all of them from npm. The binary is the same for all:
// Node-API promises that it works.
//
//   npm run test:matrix -- --node 22,24 --others bun
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Hint, root, run, script } from './lib/process.mjs';
import { Report, heading, indented } from './lib/report.mjs';
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

/** @param {string} text */
function list(text) {
  return text.split(',').filter((item) => item !== '');
}

/**
 * The newest release of a major version when it was first asked for.
 * @param {string} major
 */
function nodeBinary(major) {
  const name = `node-${process.platform}-${process.arch}`;
  return fetched(`${name}@${major}`, `node-${major}`, join(name, 'bin', 'node'));
}

/**
 * The command that runs a script under another runtime.
 * @param {string} name
 */
function otherRuntime(name) {
  const arch = process.arch === 'arm64' ? 'aarch64' : 'x64';
  if (name === 'bun') {
    const folder = `@oven/bun-${process.platform}-${arch}`;
    return [fetched(folder, name, join(folder, 'bin', 'bun'))];
  }
  if (name !== 'deno') throw new Hint(`--others knows bun and deno, and not ${name}.`);
  const libc = process.platform === 'linux' ? '-glibc' : '';
  const folder = `@deno/${process.platform}-${process.arch}${libc}`;
  return [fetched(folder, name, join(folder, 'deno')), 'run', '--allow-all'];
}

/**
 * A program of an npm package, kept in `.cache`.
 * @param {string} specifier @param {string} folder @param {string} file
 */
function fetched(specifier, folder, file) {
  const cache = join(root, '.cache', folder);
  const binary = join(cache, 'node_modules', file);
  if (existsSync(binary)) return binary;
  console.log(`fetching ${specifier}`);
  mkdirSync(cache, { recursive: true });
  run('npm', ['install', '--prefix', cache, '--no-save', '--no-audit', '--force', specifier]);
  return binary;
}
