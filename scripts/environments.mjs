// `npm run test:environments`: the error of each environment that is missing something or broken. Each
// is made for real: npm installs from a registry of this machine, runtimes of other versions come from
// npm, and binaries that do not fit are compiled. Prints environment, code and message.
//
//   npm run test:environments -- --only 'glibc|musl'
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { binaries } from './environments/binaries.mjs';
import { installations } from './environments/installations.mjs';
import { permissions } from './environments/permissions.mjs';
import { Project } from './environments/project.mjs';
import { trees } from './environments/trees.mjs';
import { Hint, root, script } from './lib/process.mjs';
import { startRegistry } from './lib/registry.mjs';
import { setUp } from './lib/setup.mjs';
import { packEveryTarget } from './release/every-target.mjs';
import { packagesIn, publish } from './release/publication.mjs';
import { packageVersion } from './release/versions.mjs';

/** What no message says: npm's bug is not the reason, and these packages do not exist. */
const FORBIDDEN = /issues\/4828|npm has a bug|ioloop-wasm32-wasi\b|ioloop-android|ioloop-linux-ppc/;

/**
 * @typedef {import('./environments/project.mjs').Outcome} Outcome
 *
 * @typedef {object} Context
 * @property {Project} installed ioloop as npm installs it. Not to be changed: `use(installed.copy())`.
 * @property {() => Project} empty A project before `npm install`.
 * @property {(project: Project) => Project} use Removes the project at the end.
 * @property {() => { folder: string, bin: string }} clone A fresh clone, and an empty folder for programs.
 * @property {<T>(run: (command: (...args: string[]) => string[]) => T) => T} asUser Runs a command as a
 * user who may not write.
 *
 * @typedef {object} Row
 * @property {string} name
 * @property {string} code
 * @property {RegExp} message
 * @property {(context: Context) => Outcome | Promise<Outcome>} make
 */

/** @type {Row[]} */
const rows = [...installations, ...permissions, ...binaries, ...trees];

const { values } = parseArgs({ options: { only: { type: 'string', default: '' } } });

await script(async () => {
  if (process.platform !== 'linux') throw new Hint('The environments are those of Linux.');
  setUp();
  const chosen = rows.filter(({ name }) => RegExp(values.only).test(name));
  const registry = await startRegistry();
  const folder = mkdtempSync(join(tmpdir(), 'ioloop-environments-'));
  // Another user has to get to the folders in it.
  chmodSync(folder, 0o755);
  /** @type {Project[]} */
  const projects = [];
  try {
    console.log('publishing to a registry of this machine');
    await packEveryTarget(join(folder, 'packages'));
    const packages = packagesIn(join(folder, 'packages'), packageVersion());
    await publish(packages, { env: registry.env, show: () => {} });
    await runRows(chosen, contextOf(folder, registry.env, projects));
  } finally {
    await registry.close();
    for (const project of projects) project.remove();
    rmSync(folder, { recursive: true, force: true });
  }
});

/** @param {Row[]} chosen @param {Context} context */
async function runRows(chosen, context) {
  let failed = 0;
  for (const { name, code, message, make } of chosen) {
    const found = await outcomeOf(() => make(context));
    const isRight =
      found.code === code && message.test(found.message) && !FORBIDDEN.test(found.message);
    if (!isRight) failed += 1;
    console.log(`\n${isRight ? '✔' : '✘'} ${name}\n    ${found.code}`);
    for (const line of found.message.split('\n')) console.log(`    ${line}`);
    if (!isRight) console.log(`    expected: ${code}, ${message}`);
  }
  console.log(`\n${chosen.length - failed} passed, ${failed} failed`);
  process.exitCode = failed === 0 && chosen.length > 0 ? 0 : 1;
}

/** An environment that cannot be made is a failed row. @param {() => Outcome | Promise<Outcome>} make */
async function outcomeOf(make) {
  try {
    return await make();
  } catch (error) {
    if (!(error instanceof Hint)) throw error;
    return { code: 'not made', message: error.message };
  }
}

/** @param {string} folder @param {Record<string, string>} env @param {Project[]} projects @returns {Context} */
function contextOf(folder, env, projects) {
  const use = (/** @type {Project} */ project) => {
    projects.push(project);
    return project;
  };
  const empty = () => use(new Project(env, packageVersion()));
  const installed = empty();
  installed.npm('install');
  return { installed, empty, use, clone: () => cloneIn(folder), asUser };
}

/** @param {string} folder */
function cloneIn(folder) {
  const own = mkdtempSync(join(folder, 'clone-'));
  chmodSync(own, 0o755);
  const [clone, bin] = [join(own, 'clone'), join(own, 'bin')];
  const { status, stderr } = spawnSync(
    'git',
    ['clone', '--quiet', '--depth', '1', `file://${root}`, clone],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Hint(`git clone: ${stderr}`);
  mkdirSync(bin);
  return { folder: clone, bin };
}

/** @type {Context['asUser']} */
function asUser(run) {
  // The permissions of files do not hold for root.
  const isRoot = process.getuid?.() === 0;
  return run((...args) =>
    isRoot ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', ...args] : args,
  );
}
