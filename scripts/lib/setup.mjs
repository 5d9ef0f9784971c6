// All the set-up of a fresh clone, and on a used one only what is out of date.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Hint, root, run } from './process.mjs';
import { upToDate } from './stamp.mjs';

/** Dependencies, the native binary and the compiled TypeScript. */
export function setUp() {
  checkNode();
  upToDate({
    name: 'dependencies',
    from: ['package-lock.json'],
    gives: ['node_modules'],
    make: () => step('installing dependencies', 'npm', ['ci', '--no-audit', '--no-fund']),
  });
  upToDate({
    name: 'binary',
    from: ['crates', 'Cargo.toml', 'Cargo.lock'],
    gives: [`native/${binaryName()}`, 'native/binding.js', 'native/binding.d.ts'],
    make: () => {
      checkCargo();
      step('building the native binary', 'npm', ['run', '--silent', 'build:native']);
    },
  });
  upToDate({
    name: 'dist',
    from: ['ts', 'tsconfig.json', 'native/binding.d.ts', 'package-lock.json'],
    gives: ['dist/index.js'],
    make: () => step('compiling TypeScript', 'npm', ['run', '--silent', 'build:ts']),
  });
}

/** The compiled tests. */
export function setUpTests() {
  upToDate({
    name: 'tests',
    from: ['__test__', 'examples', 'benches', 'ts', 'tsconfig.json', 'tsconfig.test.json'],
    gives: ['build/__test__'],
    make: () => step('compiling tests', 'npm', ['run', '--silent', 'build:tests']),
  });
}

/** The name that napi-rs gives the binary of this machine. */
export function binaryName() {
  const libc = process.platform === 'linux' ? (isMusl() ? '-musl' : '-gnu') : '';
  const abi = process.arch === 'arm' ? 'eabihf' : '';
  return `ioloop.${process.platform}-${process.arch}${libc}${abi}.node`;
}

/** @param {string} what @param {string} command @param {string[]} args */
function step(what, command, args) {
  const start = performance.now();
  process.stderr.write(`set-up: ${what} … `);
  run(command, args, { quiet: true });
  process.stderr.write(`${((performance.now() - start) / 1e3).toFixed(1)} s\n`);
}

function checkNode() {
  const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const [major, minor] = process.versions.node.split('.').map(Number);
  const fits = engines.node.split('||').some((/** @type {string} */ range) => {
    const [wantedMajor, wantedMinor = 0] = range.match(/\d+/g)?.map(Number) ?? [];
    if (range.includes('^')) return major === wantedMajor && minor >= wantedMinor;
    return major >= wantedMajor;
  });
  if (!fits) {
    throw new Hint(`ioloop needs Node ${engines.node}, and this is ${process.versions.node}.`);
  }
}

function checkCargo() {
  const wanted = readFileSync(join(root, 'Cargo.toml'), 'utf8').match(/rust-version = "(.+)"/)?.[1];
  const { stdout, error } = spawnSync('cargo', ['--version'], { encoding: 'utf8' });
  const found = stdout?.match(/(\d+)\.(\d+)/);
  if (error || !found) {
    throw new Hint(
      `No Rust toolchain found: install Rust ${wanted} or later, see https://rustup.rs.`,
    );
  }
  const [major, minor] = String(wanted).split('.').map(Number);
  if (Number(found[1]) < major || (Number(found[1]) === major && Number(found[2]) < minor)) {
    throw new Hint(
      `ioloop needs Rust ${wanted} or later, and this is ${found[0]}: see rustup update.`,
    );
  }
}

function isMusl() {
  const report = /** @type {any} */ (process.report.getReport());
  return report.header.glibcVersionRuntime === undefined;
}
