// `npm run test:cases`: a folder of programs that each show one fault or its absence, over both
// drivers and several versions of Node. A program imports the package by `IOLOOP_ENTRY`, gets its
// driver by `IOLOOP_DRIVER`, and ends with 0 when what it found is right. The last line is
// `N right, M wrong`.
//
//   npm run test:cases -- --cases folder --node 20,24 --drivers libuv --only tls --jobs 2
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { delimiter, dirname, extname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Hint, list, root, script } from './lib/process.mjs';
import { nodeBinary } from './lib/runtimes.mjs';
import { setUp } from './lib/setup.mjs';
import { drivers } from './lib/stages.mjs';

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: join(root, '..', 'shared', 'cases') },
    node: { type: 'string', default: '20,22,24,26' },
    drivers: { type: 'string', default: drivers.join(',') },
    only: { type: 'string', default: '' },
    jobs: { type: 'string', default: '1' },
  },
});

/** What runs a case, by the end of its name; the programs of Node are run by that of the column. */
const PROGRAMS = { '.mjs': 'node', '.py': 'python3', '.sh': 'bash' };
/** Their Debian packages have the same names. */
const NEEDED = ['openssl', 'strace', 'python3'];
const NOT_CASES = new Set(['run.sh', 'lib.mjs']);
const LIMIT_MS = 90_000;

/**
 * @typedef {{ title: string, node: string, driver: string }} Column
 * @typedef {{ mark: 'right' | 'WRONG' | 'skipped', output: string }} Outcome
 */

await script(async () => {
  const folder = resolve(values.cases);
  if (!existsSync(folder)) throw new Hint(`There is no folder ${folder}: use --cases.`);
  const missing = NEEDED.filter((name) => spawnSync(name, ['-h']).error !== undefined);
  if (missing.length > 0) throw new Hint(`The cases need ${missing.join(', ')}.`);
  setUp();
  const columns = list(values.node).flatMap(columnsOf);
  const files = readdirSync(folder)
    .filter((file) => extname(file) in PROGRAMS && !NOT_CASES.has(file))
    .filter((file) => file.includes(values.only))
    .toSorted();
  const width = Math.max(...files.map((file) => file.length));
  console.log(`${' '.repeat(width)}  ${columns.map(({ title }) => title).join('  ')}`);
  const count = { right: 0, WRONG: 0, skipped: 0 };
  for (const file of files) {
    const outcomes = await inParallel(columns, (column) => runCase(join(folder, file), column));
    const cells = outcomes.map(({ mark }, at) => mark.padEnd(columns[at].title.length));
    console.log(`${file.padEnd(width)}  ${cells.join('  ')}`.trimEnd());
    for (const [at, { mark, output }] of outcomes.entries()) {
      count[mark] += 1;
      if (mark !== 'right') console.log(`    ${columns[at].title}: ${output}`);
    }
  }
  const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : '';
  console.log(`\n${count.right} right, ${count.WRONG} wrong${skipped}`);
  process.exitCode = count.WRONG === 0 && count.right > 0 ? 0 : 1;
});

/** @param {string} major @returns {Column[]} */
function columnsOf(major) {
  const isOwn = process.versions.node.startsWith(`${major}.`);
  const node = isOwn ? process.execPath : nodeBinary(major);
  return list(values.drivers).map((driver) => ({ title: `${major} ${driver}`, node, driver }));
}

/** @param {string} file @param {Column} column @returns {Promise<Outcome>} */
async function runCase(file, { node, driver }) {
  const program = PROGRAMS[extname(file)];
  const child = spawn(program === 'node' ? node : program, [file], {
    cwd: root,
    env: {
      ...process.env,
      PATH: `${dirname(node)}${delimiter}${process.env.PATH}`,
      IOLOOP_ENTRY: join(root, 'dist', 'index.js'),
      IOLOOP_DRIVER: driver === 'libuv' ? '' : driver,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own: processes that a case has started end with it.
    detached: true,
  });
  let output = '';
  for (const pipe of [child.stdout, child.stderr]) {
    pipe.setEncoding('utf8').on('data', (text) => (output = `${output}${text}`.slice(-64_000)));
  }
  const late = setTimeout(() => {
    output += ` not finished after ${LIMIT_MS / 1000} s`;
    endGroup(child.pid);
  }, LIMIT_MS);
  const code = await new Promise((done) => {
    child.on('error', () => done(1)).on('exit', done);
  });
  clearTimeout(late);
  endGroup(child.pid);
  const text = output.trim().split(/\s+/).join(' ').slice(-200);
  if (code !== 0) return { mark: 'WRONG', output: text };
  return {
    mark: /^\S*:? ?(?:[\d.]+ s )?skipped/m.test(output) ? 'skipped' : 'right',
    output: text,
  };
}

/** @param {number | undefined} pid */
function endGroup(pid) {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // All of it has ended.
  }
}

/**
 * @template T, R @param {T[]} items @param {(item: T) => Promise<R>} work @returns {Promise<R[]>}
 */
async function inParallel(items, work) {
  const results = [];
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const at = next;
      next += 1;
      results[at] = await work(items[at]);
    }
  };
  await Promise.all(Array.from({ length: Number(values.jobs) }, worker));
  return results;
}
