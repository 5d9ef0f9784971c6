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
  setup(build) {
    build.onResolve({ filter: /^test:/ }, ({ path }) => ({ path, namespace: 'test' }));
    build.onLoad({ filter: /.*/, namespace: 'test' }, ({ path }) => ({
      contents: `
        import './__test__/${path.slice('test:'.length)}.test.ts';
        export { run } from './scripts/browser/page.mjs';
      `,
      resolveDir: root,
    }));
    // The package says that its modules have no side effects; tests have.
    build.onResolve({ filter: /[.]test[.]ts$/ }, ({ path }) => ({
      path: join(root, path),
      sideEffects: true,
    }));
    build.onResolve({ filter: /^(ioloop|#internal)$/ }, () => ({
      path: '/ioloop/internal.js',
      external: true,
    }));
    build.onResolve({ filter: /^ava$/ }, () => ({ path: join(root, 'scripts/portable/ava.mjs') }));
    // Compiled tests import `./helpers/loop.js`, which is TypeScript here.
    build.onResolve({ filter: /^[.].*[.]js$/ }, ({ path, resolveDir }) => {
      const source = join(resolveDir, path.replace(/js$/, 'ts'));
      return existsSync(source) ? { path: source } : undefined;
    });
    build.onResolve({ filter: /^node:/ }, ({ path }) => ({ path, namespace: 'node' }));
    build.onLoad({ filter: /.*/, namespace: 'node' }, ({ path }) => ({
      contents: moduleOf(path.slice('node:'.length)),
      resolveDir: page,
    }));
  },
};

/** The source of a module of Node. CommonJS: its names are looked up when they are used. @param {string} name */
function moduleOf(name) {
  if (name === 'assert' || name === 'assert/strict') return `module.exports = require('assert').strict`;
  const own = FOR_TESTS.has(name)
    ? `require('./modules.mjs').modules['${name}']`
    : `require(${JSON.stringify(standInOf(name))})`;
  return `
    const own = ${own};
    const { completed } = require('./node.mjs');
    module.exports = completed('node:${name}', { ...own, ...own.default });
  `;
}
