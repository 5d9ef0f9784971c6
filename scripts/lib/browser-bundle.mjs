// How the package is bundled for browsers: each module of Node has a stand-in in `ts/browser`, and the
// binary is the WebAssembly flavour.
import { join } from 'node:path';
import { root } from './process.mjs';

const standIns = join(root, 'ts', 'browser');

/** Modules of Node with a stand-in of their own; the others share one, in which all is absent. */
const OWN = new Set([
  'async_hooks',
  'diagnostics_channel',
  'os',
  'perf_hooks',
  'timers',
  'util',
  'worker_threads',
]);

/** Other modules that browsers have in another form. @type {Record<string, string>} */
const REPLACED = {
  './load-binding.js': join(standIns, 'load-binding.ts'),
  'ioloop-wasm32-wasip1/browser.js': join(root, 'native', 'wasm32-wasip1', 'browser.js'),
};

/** The stand-in of a module of Node. @param {string} name without `node:` */
export function standInOf(name) {
  return join(standIns, 'node', `${OWN.has(name) ? name.replaceAll('_', '-') : 'absent'}.ts`);
}

/** @type {import('esbuild').Plugin} */
export const forBrowsers = {
  name: 'for browsers',
  setup(build) {
    build.onResolve({ filter: /^node:/ }, ({ path }) => ({
      path: standInOf(path.slice('node:'.length)),
    }));
    for (const [specifier, path] of Object.entries(REPLACED)) {
      const filter = new RegExp(`^${specifier.replaceAll('.', '[.]')}$`);
      build.onResolve({ filter }, () => ({ path }));
    }
  },
};

/** The globals of Node. */
export const globals = join(standIns, 'globals.ts');
