// A release on a registry of this machine: killed in the middle, continued, repeated, refused for
// other contents, and installed.
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Hint, root } from '../lib/process.mjs';
import { startRegistry } from '../lib/registry.mjs';
import { packEveryTarget } from './every-target.mjs';
import { packagesIn } from './publication.mjs';
import { packageVersion } from './versions.mjs';

/** @typedef {import('./publication.mjs').Package} Package */
/** @typedef {{ code: number | null, output: string }} Result */

/** How long one step may take, in milliseconds. */
const LIMIT_MS = 5 * 60_000;

export async function rehearse() {
  const folder = mkdtempSync(join(tmpdir(), 'ioloop-release-'));
  const registry = await startRegistry();
  try {
    const tarballs = join(folder, 'packages');
    const stand = await packEveryTarget(tarballs);
    if (stand.length > 0)
      console.log(`  not built here, with the binary of this system: ${stand.join(', ')}`);
    const packages = packagesIn(tarballs, packageVersion());
    const context = { packages, tarballs, env: registry.env, folder };
    for (const [name, step] of Object.entries(steps)) {
      await step(context);
      console.log(`  ✔ ${name}`);
    }
  } finally {
    await registry.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * @typedef {object} Context
 * @property {readonly Package[]} packages The one that depends on the others is the last.
 * @property {string} tarballs
 * @property {Record<string, string>} env The environment that chooses the registry.
 * @property {string} folder
 */

/** @type {Record<string, (context: Context) => unknown>} */
const steps = {
  'killed after half of the packages, the version cannot be installed yet': async (context) => {
    const half = Math.ceil(context.packages.length / 2);
    const { output } = await publication(context, { killAfter: half });
    const there = context.packages.filter((one) => isPublished(one, context.env));
    must(there.length >= half && there.length < context.packages.length, output);
    const installed = install('half', context);
    must(installed.code !== 0 && installed.output.includes('E404'), installed.output);
  },
  'run again, it publishes the others, and ioloop as the last': async (context) => {
    const { code, output } = await publication(context);
    must(code === 0, output);
    const skipped = output.match(/^on the registry already: /gm)?.length ?? 0;
    const names = Array.from(output.matchAll(/^published: (.+)@/gm), ([, name]) => name);
    must(skipped > 0 && skipped + names.length === context.packages.length, output);
    must(names.at(-1) === 'ioloop', output);
    must(
      context.packages.every((one) => isPublished(one, context.env)),
      output,
    );
  },
  'run a third time, it publishes nothing and succeeds': async (context) => {
    const { code, output } = await publication(context);
    must(code === 0 && !/^published: /m.test(output), output);
  },
  'other contents under a published version are refused': async (context) => {
    const [{ name, version, file }] = context.packages;
    const other = join(context.folder, 'other');
    cpSync(context.tarballs, other, { recursive: true });
    repack(file, join(context.folder, 'stage'), other);
    const { code, output } = await publication({ ...context, tarballs: other });
    must(code === 1 && output.includes(`${name}@${version} is on the registry with other`), output);
  },
  'npm installs ioloop and one binary, without scripts, and a program imports it': (context) => {
    const { code, output } = install('whole', context);
    must(code === 0, output);
    const project = join(context.folder, 'whole');
    const program = "import('ioloop').then(({ versions }) => console.log(versions.ioloop))";
    const { stdout, stderr } = spawnSync(process.execPath, ['--eval', program], {
      cwd: project,
      encoding: 'utf8',
    });
    must(stdout === `${packageVersion()}\n`, stdout + stderr);
    const listed = spawnSync('npm', ['ls', '--all', '--parseable'], {
      cwd: project,
      encoding: 'utf8',
    });
    must(listed.stdout.match(/node_modules\/ioloop-/g)?.length === 1, listed.stdout);
  },
};

/**
 * Runs the command of a release. It is killed, with its npm, after as many packages.
 * @param {Context} context @param {{ killAfter?: number }} [options] @returns {Promise<Result>}
 */
function publication({ tarballs, env }, { killAfter } = {}) {
  /** @type {string[]} */
  const args = [join(root, 'scripts', 'release.mjs'), 'publish', '--packages', tarballs];
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own, which can be killed as a whole.
    detached: true,
    timeout: LIMIT_MS,
  });
  let output = '';
  for (const stream of /** @type {import('node:stream').Readable[]} */ ([
    child.stdout,
    child.stderr,
  ])) {
    stream.setEncoding('utf8').on('data', (text) => {
      output += text;
      const count = output.match(/^published: /gm)?.length ?? 0;
      if (count === killAfter) process.kill(-(/** @type {number} */ (child.pid)), 'SIGKILL');
    });
  }
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output }));
  });
}

/** @param {Package} one @param {Record<string, string>} env */
function isPublished({ name, version }, env) {
  const { status } = spawnSync('npm', ['view', `${name}@${version}`, '--prefer-online'], {
    env: { ...process.env, ...env },
  });
  return status === 0;
}

/**
 * Installs ioloop into an empty project.
 * @param {string} name @param {Context} context @returns {Result}
 */
function install(name, { folder, env }) {
  const project = join(folder, name);
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), '{ "private": true }');
  const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', 'ioloop'];
  const { status, stdout, stderr } = spawnSync('npm', args, {
    cwd: project,
    env: { ...process.env, ...env },
    encoding: 'utf8',
  });
  return { code: status, output: stdout + stderr };
}

/** Packs a tarball again, with one more line in its README. @param {string} file @param {string} stage @param {string} folder */
function repack(file, stage, folder) {
  mkdirSync(stage);
  spawnSync('tar', ['-xzf', file, '-C', stage]);
  writeFileSync(join(stage, 'package', 'README.md'), '\nanother build\n', { flag: 'a' });
  spawnSync('npm', ['pack', '--pack-destination', folder], { cwd: join(stage, 'package') });
}

/** @param {boolean} condition @param {string} output */
function must(condition, output) {
  if (!condition) throw new Hint(`The rehearsal has failed:\n${output}`);
}
