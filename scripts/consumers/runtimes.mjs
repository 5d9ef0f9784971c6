// Programs that run as they are written: ES modules, CommonJS, threads, the permission model.
import { join } from 'node:path';
import { nodeBinary } from '../lib/runtimes.mjs';
import { commonjs, examples, timersExample, workersExample } from './examples.mjs';
import { Failure } from './project.mjs';

/** @typedef {import('../consumers.mjs').Consumer} Consumer */

/** @type {Consumer[]} */
export const runtimes = [
  {
    name: 'no Rust, no compiler',
    project: 'plain',
    isQuick: true,
    run(project) {
      const script = `
        const { spawnSync } = require('node:child_process');
        const found = ['cargo', 'rustc'].filter((name) => spawnSync(name).error === undefined);
        console.log(found.length, require('ioloop').versions.ioloop);`;
      const version = project.manifest('ioloop').version;
      project.expect(['--eval', script], `0 ${version}\n`);
    },
  },
  {
    name: 'ES modules',
    project: 'plain',
    isQuick: true,
    run(project) {
      for (const { name, source, output } of examples) {
        project.write({ [`esm/${name}.mjs`]: source });
        project.expect([`esm/${name}.mjs`], output);
      }
    },
  },
  {
    name: 'CommonJS, by require',
    project: 'plain',
    isQuick: true,
    run(project) {
      for (const example of examples) {
        project.write({ [`cjs/${example.name}.cjs`]: commonjs(example) });
        project.expect(['--no-warnings', `cjs/${example.name}.cjs`], example.output);
      }
      const same = `import('ioloop').then(({ IOLoop }) =>
        console.log(IOLoop === require('ioloop').IOLoop));`;
      project.write({ 'cjs/same.cjs': same });
      project.expect(['--no-warnings', 'cjs/same.cjs'], 'true\n');
    },
  },
  {
    name: 'worker threads',
    project: 'plain',
    run(project) {
      const [{ source, output }] = examples;
      project.write({
        'threads/first.mjs': source,
        'threads/main.mjs': `
          import { once } from 'node:events';
          import { Worker } from 'node:worker_threads';
          import 'ioloop';
          const url = new URL('./first.mjs', import.meta.url);
          const codes = await Promise.all([1, 2, 3].map(() => once(new Worker(url), 'exit')));
          console.log(String(codes));`,
      });
      project.expect(['threads/main.mjs'], `${output.repeat(3)}0,0,0\n`);
    },
  },
  {
    name: 'serveWorkers',
    project: 'plain',
    run(project) {
      const { source, output } = workersExample;
      project.write({ 'workers/main.mjs': source });
      project.expect(['workers/main.mjs'], output);
    },
  },
  {
    name: 'npx ioloop doctor',
    project: 'plain',
    run(project) {
      const { findings } = JSON.parse(project.run('npx', ['ioloop', 'doctor', '--json']));
      if (findings.length === 0) throw new Failure('no finding');
    },
  },
  {
    name: 'WebAssembly',
    project: 'wasm',
    needs: 'ioloop-wasm32-wasip1',
    run(project) {
      const { source, output } = timersExample;
      project.write({ 'wasm/timers.mjs': source });
      project.expect(['wasm/timers.mjs'], output, { env: { NAPI_RS_FORCE_WASI: 'error' } });
    },
  },
  permission('20', '--experimental-permission', process.execPath),
  permission('24', '--permission'),
];

/**
 * The options that docs/platforms.md gives, and no more: the files of the project can be read.
 * @param {string} major @param {string} flag @param {string} [own] @returns {Consumer}
 */
function permission(major, flag, own) {
  return {
    name: `${flag}, Node ${major}`,
    project: 'plain',
    run(project) {
      const isOwn = own !== undefined && process.versions.node.startsWith(`${major}.`);
      const node = isOwn ? own : nodeBinary(major);
      const readable = `--allow-fs-read=${join(project.folder, '*')}`;
      for (const { name, source, output } of examples) {
        project.write({ [`permission/${name}.mjs`]: source });
        const args = [flag, '--allow-addons', readable, '--no-warnings', `permission/${name}.mjs`];
        project.expect(args, output, { node });
      }
    },
  };
}
