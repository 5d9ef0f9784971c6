// Publishing tarballs to a registry: those of the platforms first, the package that depends on them
// last, so that at no time a version can be installed whose binaries are missing. A publication that
// was interrupted is continued by running it again.
//
// | the registry has     |                                                |
// | -------------------- | ---------------------------------------------- |
// | no such version      | the tarball is published                       |
// | the same tarball     | nothing to do                                  |
// | another tarball      | nothing at all is published: versions are kept |
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Hint } from '../lib/process.mjs';

/** How often, and how long, in milliseconds, a registry is asked for what was just published. */
const LOOKS = 12;
const BETWEEN_LOOKS_MS = 5_000;

/**
 * @typedef {object} Package
 * @property {string} name
 * @property {string} version
 * @property {string} file The tarball.
 * @property {string} integrity
 * @property {string[]} dependencies Those that npm installs with it, as `name@version`.
 * @property {string[]} peers Platform packages that are installed by name, such as WebAssembly.
 *
 * @typedef {object} PublishOptions
 * @property {boolean} [dryRun] npm checks and packs, and sends nothing.
 * @property {boolean} [provenance] The registry gets a signed statement of where the tarball was built.
 * @property {Record<string, string>} [env] The environment of npm, which chooses the registry.
 * @property {(line: string) => void} [show]
 */

/**
 * The tarballs of a folder, in the order to publish them.
 * @param {string} folder @param {string} version that all of them must have
 */
export function packagesIn(folder, version) {
  const files = readdirSync(folder).filter((name) => name.endsWith('.tgz'));
  const packages = files.map((name) => packageOf(join(folder, name)));
  const main = packages.find(({ name }) => name === 'ioloop');
  if (main === undefined)
    throw new Hint(`There is no tarball of ioloop in ${folder}: npm run pack`);
  const others = packages.filter((one) => one !== main);
  const faults = packages
    .filter((one) => one.version !== version)
    .map(({ file, version: other }) => `${basename(file)} has version ${other}, not ${version}.`);
  const there = others.map(({ name }) => `${name}@${version}`);
  const known = [...main.dependencies, ...main.peers];
  faults.push(
    ...without(main.dependencies, there).map((one) => `ioloop depends on ${one}: no tarball.`),
    ...without(there, known).map((one) => `ioloop does not depend on ${one}.`),
  );
  if (faults.length > 0) throw new Hint(faults.join('\n'));
  return [...others, main];
}

/**
 * Publishes what the registry does not have yet. Returns the names.
 * @param {readonly Package[]} packages in this order
 * @param {PublishOptions} [options]
 */
export async function publish(packages, options = {}) {
  const { dryRun = false, provenance = false, env = {}, show = console.log } = options;
  const missing = packages.filter((one) => isMissing(one, env, show));
  const published = [];
  for (const one of missing) {
    if (!dryRun && one.dependencies.length > 0) await waitForOthers(one, packages, env);
    npm(publishArguments(one, { dryRun, provenance }), env);
    published.push(one.name);
    show(`${dryRun ? 'would be published' : 'published'}: ${one.name}@${one.version}`);
  }
  return published;
}

/** @param {Package} one @param {{ dryRun: boolean, provenance: boolean }} options */
function publishArguments({ file, version }, { dryRun, provenance }) {
  // npm installs `latest` where no version is asked for.
  const tag = version.includes('-') ? 'next' : 'latest';
  const flags = [...(dryRun ? ['--dry-run'] : []), ...(provenance ? ['--provenance'] : [])];
  return ['publish', file, '--access', 'public', '--tag', tag, ...flags];
}

/**
 * Whether the registry does not have it. Throws if it has other contents under this version.
 * @param {Package} one @param {Record<string, string>} env @param {(line: string) => void} show
 */
function isMissing({ name, version, integrity }, env, show) {
  const there = integrityOnRegistry(name, version, env);
  if (there === null) return true;
  if (there === integrity) {
    show(`on the registry already: ${name}@${version}`);
    return false;
  }
  throw new Hint(
    `${name}@${version} is on the registry with other contents (${there}, and here ${integrity}). ` +
      'A version is never replaced: run the failed jobs of the same workflow again, which have the ' +
      'same tarballs, or release the next version.',
  );
}

/**
 * Waits until the registry has all others: it may show a package some seconds after it was published.
 * @param {Package} last @param {readonly Package[]} packages @param {Record<string, string>} env
 */
async function waitForOthers(last, packages, env) {
  let pending = packages.filter((one) => one !== last);
  for (let looks = 0; ; looks += 1) {
    pending = pending.filter(({ name, version }) => {
      return integrityOnRegistry(name, version, env) === null;
    });
    if (pending.length === 0) return;
    if (looks === LOOKS) {
      const names = pending.map(({ name, version }) => `${name}@${version}`).join(', ');
      throw new Hint(
        `${last.name} is not published: the registry does not have ${names}. Run this again.`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, BETWEEN_LOOKS_MS));
  }
}

/** @param {string} name @param {string} version @param {Record<string, string>} env @returns {string | null} */
function integrityOnRegistry(name, version, env) {
  const args = ['view', `${name}@${version}`, 'dist.integrity', '--json', '--prefer-online'];
  const { status, stdout, stderr } = spawnNpm(args, env);
  if (status === 0) return stdout.trim() === '' ? null : JSON.parse(stdout);
  if (/\bE404\b/.test(stdout + stderr)) return null;
  throw new Hint(`The registry does not answer for ${name}@${version}:\n${stderr}`);
}

/** @param {string} file @returns {Package} */
function packageOf(file) {
  const args = ['-xzOf', file, 'package/package.json'];
  const { status, stdout, stderr } = spawnSync('tar', args, { encoding: 'utf8' });
  if (status !== 0) throw new Hint(`${file} is no package: ${stderr}`);
  const { name, version, optionalDependencies = {}, peerDependencies = {} } = JSON.parse(stdout);
  const digest = createHash('sha512').update(readFileSync(file)).digest('base64');
  const peers = listed(peerDependencies).filter((one) => one.startsWith('ioloop-'));
  const dependencies = listed(optionalDependencies);
  return { name, version, file, integrity: `sha512-${digest}`, dependencies, peers };
}

/** @param {Record<string, string>} versions */
function listed(versions) {
  return Object.entries(versions).map((entry) => entry.join('@'));
}

/** @param {string[]} args @param {Record<string, string>} env */
function npm(args, env) {
  const { status, stdout, stderr } = spawnNpm(args, env);
  if (status !== 0) throw new Hint(`\`npm ${args.join(' ')}\` failed:\n${stdout}${stderr}`);
}

/** @param {string[]} args @param {Record<string, string>} env */
function spawnNpm(args, env) {
  return spawnSync('npm', args, { env: { ...process.env, ...env }, encoding: 'utf8' });
}

/** @param {string[]} list @param {string[]} taken */
function without(list, taken) {
  return list.filter((item) => !taken.includes(item));
}
