// `npm run test:consumers`: packs the packages, installs the tarballs into empty projects outside the
// repository, without scripts and without Rust, and runs the README's examples in each kind of
// project that a user may have. Prints a table; the exit code is 1 if anything has failed.
//
//   npm run test:consumers -- --quick
//   npm run test:consumers -- --only webpack
//   npm run test:consumers -- --packages artifacts/packages   # tarballs that are packed already
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bundlers } from './consumers/bundlers.mjs';
import { frameworks } from './consumers/frameworks.mjs';
import { metadata } from './consumers/metadata.mjs';
import { Failure, Project } from './consumers/project.mjs';
import { runtimes } from './consumers/runtimes.mjs';
import { typescript } from './consumers/typescript.mjs';
import { binariesIn, pack, packedIn } from './lib/packages.mjs';
import { Hint, root, script } from './lib/process.mjs';
import { setUp } from './lib/setup.mjs';
import { setUpWasm } from './lib/wasm-binary.mjs';

/**
 * @typedef {import('./lib/packages.mjs').Packed} Packed
 *
 * @typedef {object} Consumer
 * @property {string} name
 * @property {string} project the name of its tools
 * @property {string} [needs] a package that need not be built
 * @property {boolean} [isQuick] whether it is part of `--quick`
 * @property {(project: Project, packed: Packed[], options: { update: boolean }) => void} run
 *   @throws {Failure}
 */

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    quick: { type: 'boolean', default: false },
    update: { type: 'boolean', default: false },
    packages: { type: 'string' },
  },
});

const all = [...metadata, ...runtimes, ...typescript, ...frameworks, ...bundlers];

await script(async () => {
  const chosen = all.filter(
    ({ name, isQuick }) => name.includes(values.only) && (!values.quick || isQuick === true),
  );
  if (chosen.length === 0) {
    throw new Hint(
      `No consumer is named ${values.only}: ${all.map(({ name }) => name).join(', ')}.`,
    );
  }
  const packed = values.packages === undefined ? await packOwn() : packedIn(values.packages);
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'ioloop-consumers-')));
  try {
    process.exitCode = runAll(chosen, packed, folder) === 0 ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

/** Packs the binary of this system, and the WebAssembly flavour. */
async function packOwn() {
  setUp();
  setUpWasm();
  const { GLIBC_FLOOR: glibcFloor, targets } = await import('../dist/internal.js');
  const binaries = binariesIn(join(root, 'native'), targets);
  return pack({ targets, glibcFloor, binaries, folder: join(root, 'artifacts', 'packages') });
}

/** @param {Consumer[]} consumers @param {Packed[]} packed @param {string} folder */
function runAll(consumers, packed, folder) {
  console.log(`installed from ${packed.map(({ file }) => file).join('\n               ')}\n`);
  /** @type {Map<string, Project>} */
  const projects = new Map();
  const width = Math.max(...consumers.map(({ name }) => name.length));
  const failures = [];
  let count = 0;
  for (const { name, project, needs, run } of consumers) {
    if (needs !== undefined && !packed.some((one) => one.name === needs)) {
      console.log(`${name.padEnd(width)}            ${needs} is not built`);
      continue;
    }
    const start = performance.now();
    let result = 'passed';
    count += 1;
    try {
      const made = projects.get(project) ?? new Project(folder, project, packed);
      projects.set(project, made);
      run(made, packed, { update: values.update });
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      result = 'FAILED';
      failures.push(`${name}: ${error.message}`);
    }
    const seconds = ((performance.now() - start) / 1e3).toFixed(1).padStart(6);
    console.log(`${name.padEnd(width)}  ${seconds} s  ${result}`);
  }
  for (const failure of failures) console.log(`\n${failure}`);
  console.log(`\n${count - failures.length} passed, ${failures.length} failed`);
  return failures.length;
}
