// Whether something has to be made again: a stamp remembers what it was made from.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from './process.mjs';

/**
 * Makes something unless it is there and was made from the same files.
 * @param {{ name: string, from: string[], gives: string[], make: () => void }} step `from` and
 * `gives` are files or folders, relative to the repository.
 */
export function upToDate({ name, from, gives, make }) {
  const stamp = join(root, '.cache', 'stamps', name);
  const digest = digestOf(from);
  const made = gives.every((path) => existsSync(join(root, path)));
  if (made && existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return;
  make();
  mkdirSync(dirname(stamp), { recursive: true });
  // Taken again: making may rewrite a file that it reads, such as a lock file.
  writeFileSync(stamp, digestOf(from));
}

/** @param {string[]} paths */
function digestOf(paths) {
  const hash = createHash('sha256');
  for (const path of paths) {
    for (const file of filesIn(path)) hash.update(file).update(readFileSync(join(root, file)));
  }
  return hash.digest('hex');
}

/**
 * @param {string} path
 * @returns {string[]}
 */
function filesIn(path) {
  const full = join(root, path);
  if (!existsSync(full)) return [];
  if (!statSync(full).isDirectory()) return [path];
  return readdirSync(full, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(root.length))
    .toSorted();
}
