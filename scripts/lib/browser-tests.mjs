// The ordinary test files, bundled for a page: with the package as `npm run build:browser` has made it,
// and `scripts/portable` in the place of ava.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { standInOf } from './browser-bundle.mjs';
import { root } from './process.mjs';

const page = join(root, 'scripts', 'browser');

/** Modules that `scripts/browser/modules.mjs` has. */
const FOR_TESTS = new Set(['util', 'url', 'timers', 'timers/promises']);

/**
 * Bundles files of tests into a folder, each with a function `run`.
 * @param {readonly string[]} names @param {string} outdir @param {string} tools a folder with `assert`
 */
export async function bundleTests(names, outdir, tools) {
  await build({
    absWorkingDir: root,
    entryPoints: names.map((name) => ({ in: `test:${name}`, out: name })),
    outdir,
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    define: { global: 'globalThis' },
    inject: [join(page, 'globals.mjs')],
    nodePaths: [join(tools, 'node_modules')],
    plugins: [forTests],
    logLevel: 'error',
  });
}

/** @type {import('esbuild').Plugin} */
const forTests = {
  name: 'tests in a page',
  setup({ onLoad, onResolve }) {
    onResolve({ filter: /^test:/ }, ({ path }) => ({ path, namespace: 'test' }));
    onLoad({ filter: /.*/, namespace: 'test' }, ({ path }) => ({
      contents: `
        import './__test__/${path.slice('test:'.length)}.test.ts';
        export { run } from './scripts/browser/page.mjs';
      `,
      resolveDir: root,
    }));
    // The package says that its modules have no side effects; tests have.
    onResolve({ filter: /[.]test[.]ts$/ }, ({ path }) => ({
      path: join(root, path),
      sideEffects: true,
    }));
    onResolve({ filter: /^(ioloop|#internal)$/ }, () => ({
      path: '/ioloop/internal.js',
      external: true,
    }));
    // What a stand-in lacks is observed, too.
    onResolve({ filter: /[/]absent[.]js$/ }, () => ({ path: join(page, 'node.mjs') }));
    onResolve({ filter: /^ava$/ }, () => ({ path: join(root, 'scripts/portable/ava.mjs') }));
    // Compiled tests import `./helpers/loop.js`, which is TypeScript here.
    onResolve({ filter: /^[.].*[.]js$/ }, ({ path, resolveDir }) => {
      const source = join(resolveDir, path.replace(/js$/, 'ts'));
      return existsSync(source) ? { path: source } : undefined;
    });
    onResolve({ filter: /^node:/ }, ({ path }) => ({ path, namespace: 'node' }));
    onLoad({ filter: /.*/, namespace: 'node' }, ({ path }) => ({
      contents: moduleOf(path.slice('node:'.length)),
      resolveDir: page,
    }));
  },
};

/** The source of a module of Node. CommonJS: its names are looked up when they are used. @param {string} name */
function moduleOf(name) {
  if (name === 'assert' || name === 'assert/strict')
    return "module.exports = require('assert').strict";
  return `
    const own = ${ownOf(name)};
    module.exports = require('./node.mjs').completed('${name}', { ...own, ...own.default });
  `;
}

/** What there is of a module of Node, as an expression. @param {string} name */
function ownOf(name) {
  if (FOR_TESTS.has(name)) return `require('./modules.mjs').modules['${name}']`;
  // Its stand-in has no contexts that outlive a call: tests of them need what a browser lacks.
  const file = name === 'async_hooks' ? null : standInOf(name);
  return file === null ? '{}' : `require(${JSON.stringify(file)})`;
}
