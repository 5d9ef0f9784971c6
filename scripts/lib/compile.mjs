// Compiles with tsc, and removes from a folder what no source file gives any more.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { root } from './process.mjs';

/**
 * Prints what is wrong. @param {string} project
 * @returns {Set<string> | null} The files it has written; none when something is wrong.
 */
export function compile(project) {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const { stdout, status } = spawnSync(
    process.execPath,
    [tsc, '-p', project, '--listEmittedFiles', '--pretty', 'false'],
    { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 64 << 20 },
  );
  const emitted = new Set();
  for (const line of stdout.split('\n')) {
    const [, file] = line.match(/^TSFILE: +(.+)$/) ?? [];
    if (file !== undefined) emitted.add(resolve(root, file));
    else if (line !== '') console.log(line);
  }
  return status === 0 ? emitted : null;
}

/** A renamed test would go on running otherwise. @param {Set<string>} kept @param {string} folder */
export function removeAllBut(kept, folder) {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const file = join(entry.parentPath, entry.name);
    if (entry.isFile() && !kept.has(file)) rmSync(file);
  }
}
