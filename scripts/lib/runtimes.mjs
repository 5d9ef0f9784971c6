// Other runtimes, from npm, kept in `.cache`.
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Hint, root, run } from './process.mjs';

/**
 * The newest release of a major version when it was first asked for.
 * @param {string} major
 */
export function nodeBinary(major) {
  const name = `node-${process.platform}-${process.arch}`;
  return fetched(`${name}@${major}`, `node-${major}`, join(name, 'bin', 'node'));
}

/**
 * The command that runs a script under another runtime.
 * @param {string} name
 * @param {boolean} [exposeGc] Whether scripts get `gc()`.
 */
export function otherRuntime(name, exposeGc = false) {
  const arch = process.arch === 'arm64' ? 'aarch64' : 'x64';
  if (name === 'bun') {
    const folder = `@oven/bun-${process.platform}-${arch}`;
    const bun = fetched(folder, name, join(folder, 'bin', 'bun'));
    return [bun, 'run', ...(exposeGc ? ['--expose-gc'] : [])];
  }
  if (name !== 'deno') throw new Hint(`bun and deno are known, and not ${name}.`);
  const libc = process.platform === 'linux' ? '-glibc' : '';
  const folder = `@deno/${process.platform}-${process.arch}${libc}`;
  const gc = exposeGc ? ['--v8-flags=--expose-gc'] : [];
  return [fetched(folder, name, join(folder, 'deno')), 'run', '--allow-all', ...gc];
}

/**
 * A program of an npm package, kept in `.cache`.
 * @param {string} specifier @param {string} folder @param {string} file
 */
export function fetched(specifier, folder, file) {
  const cache = join(root, '.cache', folder);
  const binary = join(cache, 'node_modules', file);
  if (existsSync(binary)) return binary;
  console.log(`fetching ${specifier}`);
  mkdirSync(cache, { recursive: true });
  run('npm', ['install', '--prefix', cache, '--no-save', '--no-audit', '--force', specifier]);
  return binary;
}
