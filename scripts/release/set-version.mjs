// Writes a version into every file that has it, and the date into the changelog.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Hint, root, run } from '../lib/process.mjs';
import { readFile } from './versions.mjs';

/** A version of https://semver.org, without metadata of a build. */
const SEMVER = /^\d+\.\d+\.\d+(?:-[\da-z.-]+)?$/;

/** @param {string} version */
export function setVersion(version) {
  if (!SEMVER.test(version)) throw new Hint(`A version is like 1.2.3, and not "${version}".`);
  const date = new Date().toISOString().slice(0, 10);
  const heading = `## ${version} (unreleased)`;
  const dated = RegExp(`^## ${version.replaceAll('.', '\\.')} \\(\\d{4}-\\d\\d-\\d\\d\\)$`, 'm');
  const changelog = readFile('CHANGELOG.md');
  if (!changelog.includes(`${heading}\n`) && !dated.test(changelog)) {
    throw new Hint(`CHANGELOG.md has no section \`${heading}\`: write it first.`);
  }
  write('CHANGELOG.md', changelog.replace(heading, `## ${version} (${date})`));
  const manifest = readFile('Cargo.toml');
  write(
    'Cargo.toml',
    manifest.replace(/(\[workspace\.package\]\nversion = )".+"/, `$1"${version}"`),
  );
  run('cargo', ['update', '--workspace', '--offline', '--quiet']);
  run('npm', ['version', version, '--no-git-tag-version', '--allow-same-version']);
}

/** @param {string} path @param {string} text */
function write(path, text) {
  writeFileSync(join(root, path), text);
}
