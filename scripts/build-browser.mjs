// `npm run build:browser`: the package for browsers, in `dist/browser`, with the WebAssembly flavour
// (`npm run build:wasm`) in it.
import { copyFileSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { forBrowsers, globals } from './lib/browser-bundle.mjs';
import { removeAllBut } from './lib/compile.mjs';
import { root } from './lib/process.mjs';

const outdir = join(root, 'dist', 'browser');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: { index: 'ts/index.ts', internal: 'ts/browser/internal.ts' },
  outdir,
  bundle: true,
  splitting: true,
  chunkNames: 'shared-[hash]',
  format: 'esm',
  platform: 'browser',
  target: 'es2022',
  define: { IOLOOP_PACKAGE_VERSION: JSON.stringify(version) },
  inject: [globals],
  plugins: [forBrowsers],
  metafile: true,
  logLevel: 'warning',
});
const wasm = join(outdir, 'ioloop.wasm');
copyFileSync(join(root, 'native', 'wasm32-wasip1', 'ioloop.wasm'), wasm);
const made = Object.keys(metafile.outputs).map((file) => resolve(root, file));
removeAllBut(new Set([...made, wasm]), outdir);
