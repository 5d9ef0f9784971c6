// What is in the tarballs: their files and sizes, licences, typings, and what tools say about them.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../lib/process.mjs';
import { Failure, same } from './project.mjs';

/**
 * @typedef {import('../consumers.mjs').Consumer} Consumer
 * @typedef {import('../lib/packages.mjs').Packed} Packed
 */

const SNAPSHOT = join(root, 'scripts', 'consumers', 'files.txt');

/** Limits of a tarball, in bytes. They are raised on purpose only: 250 kB are the entry for browsers. */
const LARGEST = { packed: 600e3, unpacked: 2.4e6, binary: 600e3 };

/** @type {Consumer[]} */
export const metadata = [
  {
    name: 'files of the tarballs',
    project: 'plain',
    isQuick: true,
    run(_project, packed, { update }) {
      const found = [...new Set(packed.flatMap(contents))].toSorted();
      if (update) writeFileSync(SNAPSHOT, found.join('\n'));
      const known = readFileSync(SNAPSHOT, 'utf8');
      // The WebAssembly flavour need not be built.
      for (const part of found) {
        if (!known.includes(part)) same(part, known, 'a list of files (--update writes it)');
      }
    },
  },
  {
    name: 'sizes of the tarballs',
    project: 'plain',
    isQuick: true,
    run(_project, packed) {
      for (const { name, size, unpackedSize } of packed) {
        const limit = name === 'ioloop' ? LARGEST.packed : LARGEST.binary;
        if (size > limit) throw new Failure(`${name} has ${size} bytes, packed`);
        if (unpackedSize > LARGEST.unpacked) {
          throw new Failure(`${name} has ${unpackedSize} bytes, unpacked`);
        }
      }
    },
  },
  {
    name: 'licences',
    project: 'plain',
    isQuick: true,
    run(_project, packed) {
      for (const { name, files } of packed) {
        for (const file of ['LICENSE-APACHE', 'LICENSE-MIT', 'README.md']) {
          if (!files.some(({ path }) => path === file)) throw new Failure(`${name} has no ${file}`);
        }
      }
    },
  },
  {
    name: 'npm ls',
    project: 'plain',
    isQuick: true,
    run(project, packed) {
      project.run('npm', ['ls', '--all', '--loglevel=error']);
      const scripts = packed.filter(
        ({ name }) => project.has(name) && project.manifest(name).scripts,
      );
      if (scripts.length > 0) throw new Failure(`${scripts[0].name} has scripts`);
    },
  },
  {
    name: 'publint',
    project: 'publint',
    run(project, packed) {
      for (const { name } of packed) {
        if (!project.has(name)) continue;
        const options = ['--strict', '--pack', 'false'];
        const output = project.tool('publint/src/cli.js', `node_modules/${name}`, ...options);
        if (!output.includes('All good!')) throw new Failure(output);
      }
    },
  },
  {
    name: 'attw',
    project: 'attw',
    run(project, packed) {
      const { file } = /** @type {Packed} */ (packed.at(-1));
      // The resolutions of TypeScript 5 and later. `require` of ESM works in all supported Nodes.
      const options = ['--profile', 'node16', '--ignore-rules', 'cjs-resolves-to-esm'];
      project.tool('@arethetypeswrong/cli/dist/index.js', file, '--format', 'ascii', ...options);
    },
  },
];

/**
 * The files of a tarball, in parts. Chunks are named by their content, and those of all platforms are alike.
 * @param {Packed} packed
 */
function contents({ name, files }) {
  const [, target = null] = name.match(/^ioloop-(?!wasm)(.+)$/) ?? [];
  const paths = files.map(({ path }) => {
    const plain = path.replace(/-[\w-]{8}(\.(js|js\.map|d\.ts))$/, '-*$1');
    return target === null ? plain : plain.replace(target, '<target>');
  });
  const lines = [...new Set(paths)].toSorted().map((path) => `  ${path}\n`);
  const title = target === null ? name : 'ioloop-<target>';
  // Those for browsers are there if the WebAssembly flavour was built.
  const [browser, others] = [true, false].map((isWanted) =>
    lines.filter((line) => line.includes(' dist/browser/') === isWanted).join(''),
  );
  const parts = [`${title}\n${others}`];
  return browser === '' ? parts : [...parts, `${title}, for browsers\n${browser}`];
}
