// Bundlers: each bundles the examples with the package in them, or with the package left out
// (`external`). What has the package in it runs elsewhere, with only the platform package installed.
import { cpSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { examples, inFunction } from './examples.mjs';

/**
 * @typedef {import('../consumers.mjs').Consumer} Consumer
 * @typedef {import('./project.mjs').Project} Project
 * @typedef {import('./examples.mjs').Example} Example
 */

/** @type {Consumer[]} */
export const bundlers = [
  esbuild('esm', true, false),
  esbuild('cjs', true, false),
  esbuild('esm', false, true),
  rollup('es'),
  rollup('cjs'),
  vite('bundled', true),
  vite('external', []),
  webpack('bundled', false),
  webpack('external', true),
  {
    name: '@vercel/nft, traced and copied',
    project: 'nft',
    run(project) {
      project.write({
        'trace.mjs': `
          import { cpSync } from 'node:fs';
          import { join } from 'node:path';
          import { nodeFileTrace } from '@vercel/nft';
          const { fileList } = await nodeFileTrace(process.argv.slice(2));
          for (const file of fileList) cpSync(file, join('traced', file));
        `,
      });
      const entries = examples.map(({ name }) => `${name}.mjs`);
      for (const { name, source } of examples) project.write({ [`${name}.mjs`]: source });
      project.run(process.execPath, ['trace.mjs', ...entries]);
      const cwd = join(project.folder, 'traced');
      for (const { name, output } of examples) project.expect([`${name}.mjs`], output, { cwd });
    },
  },
];

/**
 * @typedef {object} Bundling
 * @property {Project} project
 * @property {string} folder
 * @property {boolean} isBundled whether the package is in the bundle
 * @property {(example: Example) => string} [sourceOf]
 */

/**
 * Bundles each example by `bundle`, which gives the path of what it has made, and runs it.
 * @param {Bundling} options @param {(entry: string, example: Example) => string} bundle
 */
function each({ project, folder, isBundled, sourceOf = ({ source }) => source }, bundle) {
  for (const example of examples) {
    const entry = `${folder}/${example.name}.mjs`;
    project.write({ [entry]: sourceOf(example) });
    const out = bundle(entry, example);
    if (isBundled) runElsewhere(project, out, example);
    else project.expect(['--no-warnings', out], example.output);
  }
}

/** @param {Project} project @param {string} out @param {Example} example */
function runElsewhere(project, out, { output }) {
  const cwd = `${project.folder}-deployed`;
  cpSync(join(project.folder, dirname(out)), cwd, { recursive: true });
  const modules = join(project.folder, 'node_modules');
  for (const name of project.platformPackages()) {
    cpSync(join(modules, name), join(cwd, 'node_modules', name), { recursive: true });
  }
  // As on another machine: the place where the bundle was made is not there.
  renameSync(modules, `${modules}.away`);
  try {
    project.expect(['--no-warnings', basename(out)], output, { cwd });
  } finally {
    renameSync(`${modules}.away`, modules);
    rmSync(cwd, { recursive: true });
  }
}

/** @param {'esm' | 'cjs'} format @param {boolean} isBundled @param {boolean} isQuick @returns {Consumer} */
function esbuild(format, isBundled, isQuick) {
  return {
    name: `esbuild, ${format}, ${isBundled ? 'bundled' : 'external'}`,
    project: 'esbuild',
    isQuick,
    run(project) {
      const folder = `${format}-${isBundled}`;
      const extension = format === 'esm' ? 'mjs' : 'cjs';
      const bundle = (/** @type {string} */ entry, /** @type {Example} */ { name }) => {
        const out = join(folder, 'out', `${name}.${extension}`);
        const external = isBundled ? [] : ['--external:ioloop'];
        const options = ['--bundle', '--platform=node', `--format=${format}`, `--outfile=${out}`];
        project.tool('esbuild/bin/esbuild', entry, ...options, ...external, '--log-level=error');
        return out;
      };
      each(
        { project, folder, isBundled, sourceOf: format === 'cjs' ? inFunction : undefined },
        bundle,
      );
    },
  };
}

/** @param {'es' | 'cjs'} format @returns {Consumer} */
function rollup(format) {
  return {
    name: `rollup, ${format}, bundled`,
    project: 'rollup',
    run(project) {
      const bundle = (/** @type {string} */ entry, /** @type {Example} */ { name }) => {
        const out = join(format, 'out', `${name}.${format === 'es' ? 'mjs' : 'cjs'}`);
        const plugins = ['-p', 'node-resolve', '-p', 'commonjs'];
        const options = ['--format', format, '--file', out, '--inlineDynamicImports', '--silent'];
        project.tool('rollup/dist/bin/rollup', entry, ...plugins, ...options);
        return out;
      };
      const sourceOf = format === 'cjs' ? inFunction : undefined;
      each({ project, folder: format, isBundled: true, sourceOf }, bundle);
    },
  };
}

/** @param {string} name @param {true | string[]} noExternal @returns {Consumer} */
function vite(name, noExternal) {
  return {
    name: `Vite SSR, ${name}`,
    project: 'vite',
    run(project) {
      const folder = `ssr-${name}`;
      const bundle = (/** @type {string} */ entry, /** @type {Example} */ example) => {
        const outDir = join(folder, 'out', example.name);
        const config = { ssr: { noExternal }, build: { ssr: entry, outDir }, logLevel: 'warn' };
        const file = `${folder}/vite.config.mjs`;
        project.write({ [file]: `export default ${JSON.stringify(config)};` });
        project.tool('vite/bin/vite.js', 'build', '--config', file);
        return join(outDir, `${example.name}.js`);
      };
      each({ project, folder, isBundled: noExternal === true }, bundle);
    },
  };
}

/** @param {string} name @param {boolean} isExternal @returns {Consumer} */
function webpack(name, isExternal) {
  return {
    name: `webpack, ${name}`,
    project: 'webpack',
    run(project) {
      const bundle = (/** @type {string} */ entry, /** @type {Example} */ example) => {
        const config = {
          mode: 'production',
          target: 'node20',
          entry: `./${entry}`,
          experiments: { outputModule: true },
          externals: isExternal ? { ioloop: 'module ioloop' } : {},
          output: { filename: `${example.name}.mjs`, module: true },
        };
        const [file, out] = [join(name, `${example.name}.config.mjs`), join(name, 'out')];
        project.write({ [file]: `export default ${JSON.stringify(config)};` });
        project.tool('webpack/bin/webpack.js', '--config', file, '--output-path', out);
        return join(out, `${example.name}.mjs`);
      };
      each({ project, folder: name, isBundled: !isExternal }, bundle);
    },
  };
}
