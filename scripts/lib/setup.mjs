// All the set-up of a fresh clone, and on a used one only what is out of date.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { root, run } from './process.mjs';
import { checkCargo, checkNode, checkNpm, checkWritable } from './requirements.mjs';
import { upToDate } from './stamp.mjs';

/** Dependencies, the native binary and the compiled TypeScript. */
export function setUp() {
  installDependencies();
  const typings = ['native/binding.d.ts'];
  upToDate({
    name: 'binary',
    // The typings are made by the build: if they have changed by themselves, they are made again.
    from: ['crates', 'Cargo.toml', 'Cargo.lock', 'package.json', 'package-lock.json', ...typings],
    gives: [`native/${binaryName()}`, ...typings],
    make: () => {
      checkCargo();
      step('building the native binary', 'npm', ['run', '--silent', 'build:native']);
    },
  });
  upToDate({
    name: 'dist',
    from: ['ts', 'tsconfig.json', 'native/binding.d.ts', 'package-lock.json', ...builders],
    gives: ['dist/index.js', 'dist/index.d.ts'],
    make: () => step('compiling TypeScript', 'node', ['scripts/build-dist.mjs']),
  });
}

/** What npm installs: all that the checks of sources need. */
export function installDependencies() {
  checkNode();
  upToDate({
    name: 'dependencies',
    from: ['package-lock.json'],
    gives: ['node_modules'],
    make: () => {
      // Before the minutes that the installation may take.
      checkWritable();
      checkNpm();
      if (!existsSync(join(root, 'native', binaryName()))) checkCargo();
      step('installing dependencies', 'npm', ['ci', '--no-audit', '--no-fund']);
    },
  });
}

/** The compiled tests. */
export function setUpTests() {
  upToDate({
    name: 'tests',
    from: [
      '__test__',
      'ts',
      'tsconfig.json',
      'tsconfig.test.json',
      'package-lock.json',
      ...builders,
    ],
    gives: ['build/__test__'],
    make: () => step('compiling the tests', 'node', ['scripts/build-tests.mjs']),
  });
}

/** What makes `dist` and `build`: when it changes, they are made again. */
const builders = ['build-dist', 'build-tests', 'lib/bundle', 'lib/compile'].map(
  (name) => `scripts/${name}.mjs`,
);

/** The name that napi-rs gives the binary of this machine. */
function binaryName() {
  const libc = process.platform === 'linux' ? (isMusl() ? '-musl' : '-gnu') : '';
  const abi = process.arch === 'arm' ? 'eabihf' : '';
  return `ioloop.${process.platform}-${process.arch}${libc}${abi}.node`;
}

function isMusl() {
  const report = /** @type {any} */ (process.report.getReport());
  return report.header.glibcVersionRuntime === undefined;
}

/**
 * Runs a command and reports it in one line.
 * @param {string} what @param {string} command @param {string[]} args
 * @param {Record<string, string>} [env]
 */
export function step(what, command, args, env) {
  const start = performance.now();
  process.stderr.write(`set-up: ${what} … `);
  try {
    run(command, args, env);
  } catch (error) {
    process.stderr.write('failed\n');
    throw error;
  }
  process.stderr.write(`${((performance.now() - start) / 1e3).toFixed(1)} s\n`);
}
