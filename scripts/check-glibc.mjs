// `npm run check:glibc`: compares the glibc that each binary needs with the one that the README
// promises (`GLIBC_FLOOR`). Those of a release are linked against that one by zig; a binary that is
// built for this machine alone may need the glibc of this machine.
//
//   npm run check:glibc -- artifacts/binaries
//   npm run check:glibc -- ioloop.node
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { compareVersions, neededGlibc } from './lib/glibc.mjs';
import { Hint, script } from './lib/process.mjs';
import { setUp } from './lib/setup.mjs';

const { positionals } = parseArgs({ allowPositionals: true });

await script(async () => {
  setUp();
  const { GLIBC_FLOOR } = await import('../dist/internal.js');
  const files = (positionals.length === 0 ? ['native'] : positionals).flatMap(binaries);
  if (files.length === 0) throw new Hint(`There is no binary for glibc in ${positionals}.`);
  for (const file of files) {
    const needed = neededGlibc(file);
    const isLow = needed === null || compareVersions(needed, GLIBC_FLOOR) <= 0;
    console.log(`${file}: glibc ${needed ?? '(none)'}${isLow ? '' : `, above ${GLIBC_FLOOR}`}`);
    if (!isLow) process.exitCode = 1;
  }
});

/** A file, or the binaries for glibc in a folder and its subfolders. @param {string} path */
function binaries(path) {
  if (!existsSync(path)) throw new Hint(`There is no ${path}.`);
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(resolve(path), { recursive: true, withFileTypes: true })
    .filter(({ name }) => /-gnu(eabihf)?\.node$/.test(name))
    .map(({ parentPath, name }) => join(parentPath, name));
}
