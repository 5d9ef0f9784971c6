// `node scripts/build-ts.mjs tsconfig.json dist`: compiles, then removes from the folder what no
// source file gives any more; a renamed test would go on running otherwise.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { root } from './lib/process.mjs';

const [project = 'tsconfig.json', folder = 'dist'] = process.argv.slice(2);
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
if (emitted.size > 0) removeAllBut(emitted, join(root, folder));
process.exitCode = status ?? 1;

/** @param {Set<string>} kept @param {string} outDir */
function removeAllBut(kept, outDir) {
  if (!existsSync(outDir)) return;
  for (const entry of readdirSync(outDir, { recursive: true, withFileTypes: true })) {
    const file = join(entry.parentPath, entry.name);
    if (entry.isFile() && !kept.has(file)) rmSync(file);
  }
}
