// The version of a release stands in five files, the tag and the changelog. Here they are compared.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../lib/process.mjs';

/** A section of the changelog: `## 0.1.0 (2026-11-26)`, or `(unreleased)`. */
const SECTION = /^## (?<version>\S+) \((?<date>[\w-]+)\)$/gm;

/** The crates that have the version of the package. */
const CRATES = ['ioloop', 'ioloop-napi'];

/** Reads a file of the repository. @param {string} path */
export function readFile(path) {
  return readFileSync(join(root, path), 'utf8');
}

/** The version of the package. @param {typeof readFile} read @returns {string} */
export function packageVersion(read = readFile) {
  return JSON.parse(read('package.json')).version;
}

/**
 * What does not agree, one sentence each; empty if all is as it should be. A release, which has a
 * `tag`, needs a dated section in the changelog; without a tag the newest section may be that of a
 * version to come.
 *
 * @param {string | undefined} tag @param {typeof readFile} read @returns {string[]}
 */
export function versionFaults(tag, read = readFile) {
  const version = packageVersion(read);
  return [
    ...ofFiles(version, read),
    ...ofChangelog(version, tag !== undefined, read('CHANGELOG.md')),
    ...ofTag(version, tag),
  ];
}

/**
 * The entries of a version in the changelog, without the heading; empty if there are none.
 * @param {string} version @param {string} changelog
 */
export function releaseNotes(version, changelog = readFile('CHANGELOG.md')) {
  const sections = Array.from(changelog.matchAll(SECTION));
  const at = sections.findIndex(({ groups }) => groups?.version === version);
  if (at < 0) return '';
  const { index, 0: heading } = sections[at];
  return changelog.slice(index + heading.length, sections[at + 1]?.index).trim();
}

/** @param {string} version @param {typeof readFile} read */
function ofFiles(version, read) {
  const lock = JSON.parse(read('package-lock.json'));
  const cargoLock = read('Cargo.lock');
  const [, workspace] = /\[workspace\.package\]\nversion = "(.+)"/.exec(read('Cargo.toml')) ?? [];
  /** @type {[string, string | undefined][]} */
  const found = [
    ['package-lock.json', lock.version],
    ['package-lock.json, packages', lock.packages[''].version],
    ['Cargo.toml', workspace],
    ...CRATES.map((name) => {
      const [, locked] = RegExp(`name = "${name}"\\nversion = "(.+)"`).exec(cargoLock) ?? [];
      return /** @type {[string, string | undefined]} */ ([`Cargo.lock, ${name}`, locked]);
    }),
  ];
  return found
    .filter(([, other]) => other !== version)
    .map(([file, other]) => `${file} has version ${other}, and package.json ${version}.`);
}

/** @param {string} version @param {boolean} isRelease @param {string} changelog */
function ofChangelog(version, isRelease, changelog) {
  const [newest] = changelog.matchAll(SECTION);
  if (newest === undefined) return ['CHANGELOG.md has no section `## version (date)`.'];
  const { version: noted, date } = /** @type {Record<string, string>} */ (newest.groups);
  const faults = [];
  const isDated = /^\d{4}-\d\d-\d\d$/.test(date) && !Number.isNaN(Date.parse(date));
  if (!isDated && date !== 'unreleased') {
    faults.push(`CHANGELOG.md: ${date} is neither a date nor \`unreleased\`.`);
  }
  if (!/^- /m.test(releaseNotes(noted, changelog))) {
    faults.push(`CHANGELOG.md has no entry for ${noted}.`);
  }
  // Between two releases the changelog is ahead of the files.
  if (!isRelease && date === 'unreleased') return faults;
  if (noted !== version) {
    faults.push(`The newest section of CHANGELOG.md is ${noted}, and package.json has ${version}.`);
  }
  if (isRelease && date === 'unreleased')
    faults.push(`CHANGELOG.md says that ${noted} is unreleased.`);
  return faults;
}

/** @param {string} version @param {string | undefined} tag */
function ofTag(version, tag) {
  if (tag === undefined || tag === `v${version}`) return [];
  return [`The tag is ${tag}, and package.json has version ${version}: it has to be v${version}.`];
}
