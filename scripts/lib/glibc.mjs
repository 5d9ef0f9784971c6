// The versions of glibc that a binary needs, read from the file: what `objdump -T` shows, for each
// architecture and without binutils.
import { readFileSync } from 'node:fs';

/** The type of the section with the needed versions (`.gnu.version_r`). */
const SHT_GNU_VERNEED = 0x6ffffffe;

/** @typedef {{ type: number, offset: number, link: number, info: number }} Section */

/**
 * The names of the needed versions: `GLIBC_2.17`, `GCC_3.0`.
 * @param {string} path @returns {string[]}
 */
export function neededVersions(path) {
  const bytes = readFileSync(path);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0) !== 0x7f454c46) throw new Error(`${path} is no ELF file`);
  const sections = sectionsOf(view);
  const needed = sections.find(({ type }) => type === SHT_GNU_VERNEED);
  if (needed === undefined) return [];
  const names = sections[needed.link].offset;
  const found = [];
  // A list of libraries, and in each a list of versions: the numbers are the same in 32 and 64 bits.
  let library = needed.offset;
  for (let count = needed.info; count > 0; count -= 1) {
    let version = library + view.getUint32(library + 8, true);
    for (let left = view.getUint16(library + 2, true); left > 0; left -= 1) {
      const start = names + view.getUint32(version + 8, true);
      found.push(bytes.toString('latin1', start, bytes.indexOf(0, start)));
      version += view.getUint32(version + 12, true);
    }
    library += view.getUint32(library + 12, true);
  }
  return found;
}

/** The newest glibc that is needed: `2.17`; `null` for none. @param {string} path */
export function neededGlibc(path) {
  const versions = neededVersions(path)
    .map((name) => name.match(/^GLIBC_([\d.]+)$/)?.[1])
    .filter((version) => version !== undefined);
  return versions.toSorted(compareVersions).at(-1) ?? null;
}

/** @param {string} one @param {string} other */
export function compareVersions(one, other) {
  const [left, right] = [one, other].map((version) => version.split('.').map(Number));
  return left[0] - right[0] || (left[1] ?? 0) - (right[1] ?? 0);
}

/** @param {DataView} view @returns {Section[]} */
function sectionsOf(view) {
  if (view.getUint8(5) !== 1) throw new Error('the file is big-endian');
  const is64 = view.getUint8(4) === 2;
  const start = is64 ? Number(view.getBigUint64(40, true)) : view.getUint32(32, true);
  const size = view.getUint16(is64 ? 58 : 46, true);
  const count = view.getUint16(is64 ? 60 : 48, true);
  return Array.from({ length: count }, (_, index) => {
    const at = start + index * size;
    return {
      type: view.getUint32(at + 4, true),
      offset: is64 ? Number(view.getBigUint64(at + 24, true)) : view.getUint32(at + 16, true),
      link: view.getUint32(at + (is64 ? 40 : 24), true),
      info: view.getUint32(at + (is64 ? 44 : 28), true),
    };
  });
}
