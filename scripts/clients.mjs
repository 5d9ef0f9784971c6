// `npm run test:clients`: clients and servers of npm over streams of the loop, each under several
// versions of Node and over both drivers. The packages are installed to `.cache/clients`; databases
// and brokers are those of the system, and what is missing is skipped with the reason.
//
//   npm run test:clients -- --node 24,26 --only pg,ioredis --driver libuv
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startServers } from '../__test__/clients/servers.mjs';
import { list, root, run, script } from './lib/process.mjs';
import { nodeBinary } from './lib/runtimes.mjs';
import { setUp } from './lib/setup.mjs';

const programs = join(root, '__test__', 'clients');
const cache = join(root, '.cache', 'clients');
const SHARED = new Set(['lib', 'servers']);
const LIMIT_MS = 60_000;
const SKIPPED = 77;

const { values } = parseArgs({
  options: {
    node: { type: 'string', default: '20,22,24,26' },
    driver: { type: 'string', default: 'libuv,thread' },
    only: { type: 'string', default: '' },
  },
});

await script(async () => {
  setUp();
  install();
  const names = values.only === '' ? allPrograms() : list(values.only);
  const drivers = list(values.driver);
  const servers = await startServers();
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const notes = new Set();
  try {
    for (const major of list(values.node)) {
      const node = nodeBinary(major);
      const version = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim();
      console.log(`\n${version.padEnd(14)}${drivers.map((driver) => driver.padEnd(10)).join('')}`);
      for (const name of names) {
        const cells = [];
        for (const driver of drivers) {
          const { outcome, output } = await runOne(node, name, driver, servers.env);
          counts[outcome] += 1;
          cells.push(outcome.padEnd(10));
          if (outcome === 'skipped') notes.add(`${name}: ${output}`);
          else if (outcome === 'failed') notes.add(`${name}, ${version}, ${driver}:\n${output}`);
        }
        console.log(`  ${name.padEnd(12)}${cells.join('')}`);
      }
    }
  } finally {
    await servers.stop();
  }
  for (const note of notes) console.log(`\n${note}`);
  const { passed, failed, skipped } = counts;
  console.log(`\n${passed} passed, ${failed} failed, ${skipped} skipped`);
  if (failed > 0) process.exitCode = 1;
});

/** Installs the packages when their list has changed. */
function install() {
  const file = join(programs, 'packages.json');
  const installed = join(cache, 'package.json');
  const isThere =
    existsSync(join(cache, 'node_modules')) &&
    existsSync(installed) &&
    readFileSync(installed, 'utf8') === readFileSync(file, 'utf8');
  if (isThere) return;
  console.log('installing the clients');
  mkdirSync(cache, { recursive: true });
  cpSync(file, installed);
  run('npm', ['install', '--prefix', cache, '--no-save', '--no-audit', '--no-fund']);
}

function allPrograms() {
  return readdirSync(programs)
    .filter((file) => file.endsWith('.mjs'))
    .map((file) => file.slice(0, -'.mjs'.length))
    .filter((name) => !SHARED.has(name));
}

/**
 * Runs one program to its end.
 * @param {string} node @param {string} name @param {string} driver
 * @param {Record<string, string>} servers
 * @returns {Promise<{ outcome: 'passed' | 'failed' | 'skipped', output: string }>}
 */
function runOne(node, name, driver, servers) {
  const child = spawn(node, [join(programs, `${name}.mjs`)], {
    cwd: root,
    env: { ...process.env, ...servers, CLIENTS_DIR: cache, IOLOOP_DRIVER: driver },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => (output += text));
  }
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      const outcome = code === 0 ? 'passed' : code === SKIPPED ? 'skipped' : 'failed';
      resolve({ outcome, output: signal === null ? output.trim() : `${output}${signal}` });
    });
  });
}
