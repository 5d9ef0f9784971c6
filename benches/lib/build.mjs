// Builds and fetches peers into `.cache/bench`. Throws a `Hint` for one that is unavailable.
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { root, run } from '../../scripts/lib/process.mjs';

const cache = join(root, '.cache', 'bench');
const peers = join(root, 'benches', 'peers');

/**
 * A command line and additions to the environment. With `collects`, SIGUSR2 starts a garbage
 * collection of the process.
 * @typedef {{ command: string[], env?: Record<string, string>, collects?: boolean }} Start
 */

/** The path of a peer's file. @param {string} file */
export function peerFile(file) {
  return join(peers, file);
}

/** @param {string} source */
export function compiledC(source) {
  return built(source.replace(/\.c$/, ''), (binary) =>
    run('cc', ['-O2', '-o', binary, peerFile(source)]),
  );
}

/** @param {string} source */
export function compiledGo(source) {
  return built(source.replace(/\.go$/, ''), (binary) =>
    run('go', ['build', '-o', binary, peerFile(source)]),
  );
}

/** A binary of `benches/peers/rust`. @param {string} name */
export function rust(name) {
  const target = join(cache, 'rust');
  if (!done.has(target)) {
    const flags = ['--release', '--quiet', '--manifest-path', peerFile('rust/Cargo.toml')];
    run('cargo', ['build', ...flags, '--target-dir', target]);
  }
  done.add(target);
  return join(target, 'release', name);
}

/**
 * A Python program. @param {string} file @param {string[]} args
 * @param {string} [library] From PyPI. @returns {Start}
 */
export function python(file, args, library) {
  const folder = join(cache, 'python');
  if (library !== undefined && !existsSync(join(folder, library))) {
    run('python3', ['-m', 'pip', 'install', '--quiet', '--target', folder, library]);
  }
  run('python3', ['--version']);
  return { command: ['python3', peerFile(file), ...args], env: { PYTHONPATH: folder } };
}

/** The folder of a package from npm. @param {string} name */
export function npmPackage(name) {
  const folder = join(cache, 'npm');
  const found = join(folder, 'node_modules', name);
  if (!existsSync(found)) {
    mkdirSync(folder, { recursive: true });
    run('npm', ['install', '--prefix', folder, '--no-save', '--no-audit', name]);
  }
  return found;
}

/** @type {Set<string>} */
const done = new Set();

/**
 * Builds once in each run, since the source may have changed.
 * @param {string} name @param {(binary: string) => void} build
 */
function built(name, build) {
  mkdirSync(cache, { recursive: true });
  const binary = join(cache, name);
  if (!done.has(binary)) build(binary);
  done.add(binary);
  return binary;
}
