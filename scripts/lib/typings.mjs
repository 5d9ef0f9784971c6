// The typings of the published package: those of the public names in few files, without the modules
// that they come from. The typings in `dist`, which the tests use, have a file for each module, and
// refer to the typings of the binary.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { rollup } from 'rollup';
import { dts } from 'rollup-plugin-dts';
import { root } from './process.mjs';

const ENTRIES = ['prometheus', 'opentelemetry'];

/**
 * Writes the typings of all entries. `index.d.ts` keeps its own list of names, which says of each
 * class whether a program may use its constructor, or only its type.
 *
 * @param {string} folder the `dist` of the package
 */
export async function rollTypings(folder) {
  const dist = join(root, 'dist');
  const entries = ENTRIES.map((name) => [name, join(dist, `${name}.d.ts`)]);
  const bundle = await rollup({
    input: { typings: join(dist, 'index.d.ts'), ...Object.fromEntries(entries) },
    external: [/^node:/, 'prom-client', '@opentelemetry/api'],
    plugins: [dts()],
  });
  const chunkFileNames = 'typings-[hash].d.ts';
  await bundle.write({ dir: folder, format: 'es', entryFileNames: '[name].d.ts', chunkFileNames });
  await bundle.close();
  const names = readFileSync(join(dist, 'index.d.ts'), 'utf8');
  const merged = names.replaceAll(/ from '\.\/[^']+\.js';/g, " from './typings.js';");
  writeFileSync(join(folder, 'index.d.ts'), merged);
}
