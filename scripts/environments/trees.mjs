// `npm run setup` in a fresh clone, on a machine that lacks something. It says so before it installs.
import { spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from '../lib/process.mjs';
import { nodeBinary } from '../lib/runtimes.mjs';

/** @typedef {import('../environments.mjs').Context} Context */
/** @typedef {import('../environments.mjs').Row} Row */
/** @typedef {import('./project.mjs').Outcome} Outcome */

/** @type {Row[]} */
export const trees = [
  {
    name: 'npm run setup without Rust',
    code: 'exit 1',
    message:
      /^ioloop is built with Rust 1\.\d+ or later, and there is no cargo: see https:\/\/rustup\.rs\.$/m,
    make: (context) => setUp(context, { programs: ['npm', 'git'] }),
  },
  {
    name: 'npm run setup without npm on the PATH',
    code: 'exit 1',
    message: /^The dependencies are installed by npm, and there is none: install Node with npm\.$/m,
    make: (context) => setUp(context, { programs: ['cargo', 'git'] }),
  },
  {
    name: 'npm run setup on Node 18',
    code: 'exit 1',
    message: /^ioloop needs Node \^20\.19 .*, and this is 18\./m,
    make: (context) => setUp(context, { node: nodeBinary('18') }),
  },
  {
    name: 'npm run setup without write permission',
    code: 'exit 1',
    message: /cannot be written by this user: make a clone of your own\.$/m,
    make: (context) =>
      context.asUser((command) => setUp(context, { command, programs: ['npm', 'git'] })),
  },
  {
    name: 'the source tree before npm run setup',
    code: 'ERR_IOLOOP_BINDING',
    message: /The binary of this source tree has not been built\. Run npm run build:native/,
    make: ({ installed, use }) => {
      const project = use(installed.copy());
      for (const name of project.binaries()) {
        spawnSync('rm', ['-r', project.module(name)]);
      }
      // What makes a folder a source tree.
      mkdirSync(join(project.module('ioloop'), 'crates'));
      return project.imported();
    },
  },
];

/**
 * @param {Context} context
 * @param {object} options
 * @param {string} [options.node]
 * @param {string[]} [options.programs] All that is on the PATH, besides Node and the shell.
 * @param {(...args: string[]) => string[]} [options.command]
 * @returns {Outcome}
 */
function setUp({ clone }, { node = process.execPath, programs, command = (...args) => args }) {
  const { folder, bin } = clone();
  for (const program of programs ?? []) link(program, bin);
  for (const program of ['sh', 'setpriv']) link(program, bin);
  symlinkSync(node, join(bin, 'node'));
  const [file = '', ...args] = command(node, 'scripts/setup.mjs');
  const path = programs === undefined ? `${bin}:${process.env['PATH']}` : bin;
  const { status, stdout, stderr } = spawnSync(file, args, {
    cwd: folder,
    env: { PATH: path, HOME: dirname(folder) },
    encoding: 'utf8',
    timeout: 60_000,
  });
  return { code: `exit ${status}`, message: `${stdout}${stderr}`.trim() };
}

/** @param {string} program @param {string} bin */
function link(program, bin) {
  const { stdout } = spawnSync('sh', ['-c', `command -v ${program}`], {
    cwd: root,
    encoding: 'utf8',
  });
  symlinkSync(stdout.trim(), join(bin, program));
}
