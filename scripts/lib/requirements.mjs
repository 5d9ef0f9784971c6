// Requirements of the set-up: Node, npm, Rust, and a folder to write to. Each that is missing is one
// sentence.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Hint, root } from './process.mjs';

/** Compares the running Node with `engines` of package.json. */
export function checkNode() {
  const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const found = version(process.versions.node);
  const fits = engines.node.split('||').some((/** @type {string} */ range) => {
    const wanted = version(range);
    const sameMajor = !range.includes('^') || found.major === wanted.major;
    return sameMajor && isAtLeast(found, wanted);
  });
  if (fits) return;
  throw new Hint(`ioloop needs Node ${engines.node}, and this is ${process.versions.node}.`);
}

/** npm installs the dependencies and runs the builds. */
export function checkNpm() {
  const { status } = spawnSync('npm', ['--version'], { cwd: root });
  if (status === 0) return;
  throw new Hint(
    'The dependencies are installed by npm, and there is none: install Node with npm.',
  );
}

/** Everything that is built is written below the repository. */
export function checkWritable() {
  try {
    accessSync(root, constants.W_OK);
  } catch {
    throw new Hint(`${root} cannot be written by this user: make a clone of your own.`);
  }
}

/** Compares the installed Rust with `rust-version` of Cargo.toml. */
export function checkCargo() {
  const cargoToml = readFileSync(join(root, 'Cargo.toml'), 'utf8');
  const wanted = cargoToml.match(/rust-version = "(.+)"/)?.[1] ?? '';
  const { stdout, status } = spawnSync('cargo', ['--version'], { encoding: 'utf8', cwd: root });
  if (status !== 0) {
    throw new Hint(
      `ioloop is built with Rust ${wanted} or later, and there is no cargo: see https://rustup.rs.`,
    );
  }
  if (isAtLeast(version(stdout), version(wanted))) return;
  const found = stdout.match(/[\d.]+/)?.[0];
  throw new Hint(
    `ioloop is built with Rust ${wanted} or later, and this is ${found}: run \`rustup update\`.`,
  );
}

/** @typedef {{ major: number, minor: number }} Version */

/** The first version in a text. @param {string} text @returns {Version} */
function version(text) {
  const [, major = 0, minor = 0] = text.match(/(\d+)(?:\.(\d+))?/) ?? [];
  return { major: Number(major), minor: Number(minor) };
}

/** @param {Version} found @param {Version} wanted */
function isAtLeast(found, wanted) {
  if (found.major !== wanted.major) return found.major > wanted.major;
  return found.minor >= wanted.minor;
}
