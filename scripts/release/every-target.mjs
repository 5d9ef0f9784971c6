// A tarball for every target: those that were not built here have the binary of this system. For the
// rehearsal of a release and for installations, where only names, versions and order matter.
import { join } from 'node:path';
import { Hint, root } from '../lib/process.mjs';

/**
 * Packs them into a folder. Returns the targets that were not built here.
 * @param {string} folder
 */
export async function packEveryTarget(folder) {
  // Not above: both are there after the set-up only.
  const { binariesIn, pack } = await import('../lib/packages.mjs');
  const { GLIBC_FLOOR: glibcFloor, targets } = await import('../../dist/internal.js');
  const built = binariesIn(join(root, 'native'), targets);
  const [own] = built.values();
  if (own === undefined) throw new Hint('There is no binary in native: npm run setup');
  const absent = targets.map(({ name }) => name).filter((name) => !built.has(name));
  const binaries = new Map([...built, ...absent.map((name) => /** @type {const} */ ([name, own]))]);
  await pack({ targets, glibcFloor, binaries, folder });
  return absent;
}
