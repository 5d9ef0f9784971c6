// How the package is bundled for browsers: each module of Node has a stand-in in `ts/browser`, and the
// binary is the WebAssembly flavour.
import { copyFileSync, existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { removeAllBut } from './compile.mjs';
import { Hint, root } from './process.mjs';
import { step } from './setup.mjs';
import { upToDate } from './stamp.mjs';
import { setUpWasm } from './wasm-binary.mjs';

const standIns = join(root, 'ts', 'browser');

/** Modules of Node with a stand-in of their own; the others share one, in which all is absent. */
const OWN = new Set([
  'async_hooks',
  'diagnostics_channel',
  'net',
  'os',
  'perf_hooks',
  'timers',
  'util',
  'worker_threads',
]);

/** The stand-in of a module of Node, if it has one of its own. @param {string} name without `node:` */
export function standInOf(name) {
  return OWN.has(name) ? join(standIns, 'node', `${name.replaceAll('_', '-')}.ts`) : null;
}

/**
 * Bundles the package into a folder, with the module of WebAssembly beside it.
 * @param {object} options
 * @param {string} options.wasm the folder of the WebAssembly flavour
 * @param {string} options.outdir
 * @param {Record<string, string>} options.entryPoints
 */
export async function bundleForBrowsers({ wasm, outdir, entryPoints }) {
  if (!existsSync(join(wasm, 'browser.js'))) {
    throw new Hint(`There is no WebAssembly flavour in ${wasm}: npm run build:wasm makes it.`);
  }
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints,
    outdir,
    bundle: true,
    splitting: true,
    chunkNames: 'shared-[hash]',
    format: 'esm',
    // Shorter, with the names and lines that stacks show.
    minifySyntax: true,
    platform: 'browser',
    target: 'es2022',
    define: { IOLOOP_PACKAGE_VERSION: JSON.stringify(version) },
    inject: [join(standIns, 'globals.ts')],
    plugins: [forBrowsers(wasm)],
    metafile: true,
    logLevel: 'warning',
  });
  const module = join(outdir, 'ioloop.wasm');
  copyFileSync(join(wasm, 'ioloop.wasm'), module);
  const made = Object.keys(metafile.outputs).map((file) => resolve(root, file));
  removeAllBut(new Set([...made, module]), outdir);
}

/** `dist/browser`, made again if it is missing or out of date. */
export function setUpBrowser() {
  setUpWasm();
  upToDate({
    name: 'browser',
    from: [
      'ts',
      'native/wasm32-wasip1',
      'package.json',
      'package-lock.json',
      'scripts/build-browser.mjs',
      'scripts/lib/browser-bundle.mjs',
    ],
    gives: ['dist/browser/index.js', 'dist/browser/internal.js', 'dist/browser/ioloop.wasm'],
    make: () => step('bundling for browsers', 'node', ['scripts/build-browser.mjs']),
  });
}

/** @param {string} wasm @returns {import('esbuild').Plugin} */
function forBrowsers(wasm) {
  return {
    name: 'for browsers',
    setup({ onResolve }) {
      onResolve({ filter: /^node:/ }, ({ path }) => ({
        path: standInOf(path.slice('node:'.length)) ?? join(standIns, 'node', 'absent.ts'),
      }));
      onResolve({ filter: /^[.]\/load-binding[.]js$/ }, () => ({
        path: join(standIns, 'load-binding.ts'),
      }));
      onResolve({ filter: /^ioloop-wasm32-wasip1\/browser[.]js$/ }, () => ({
        path: resolve(wasm, 'browser.js'),
      }));
    },
  };
}
