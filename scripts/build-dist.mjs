// `npm run build:ts`: `ts` into `dist`. tsc checks the types and writes the typings; esbuild makes
// one module of fifty, which are imported in a third of the time. What `#internal` shares with the
// package is in a chunk of its own, so that there is one of everything.
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { compile, removeAllBut } from './lib/compile.mjs';
import { root } from './lib/process.mjs';

const dist = join(root, 'dist');
const typings = compile('tsconfig.json');
if (typings === null) process.exit(1);
const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: ['ts/index.ts', 'ts/internal.ts'],
  outdir: dist,
  bundle: true,
  splitting: true,
  chunkNames: 'shared-[hash]',
  format: 'esm',
  platform: 'node',
  target: 'node20',
  sourcemap: true,
  // Beside `dist`, in the package as here: the loader of the binary.
  external: ['../native/*'],
  metafile: true,
  logLevel: 'warning',
});
const bundle = Object.keys(metafile.outputs).map((file) => resolve(root, file));
removeAllBut(new Set([...typings, ...bundle]), dist);
