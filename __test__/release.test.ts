/** Tag, versions and changelog of a release agree, or it does not begin. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const read = (path: string): string => readFileSync(`${ROOT}${path}`, 'utf8');

type Read = (path: string) => string;
const { packageVersion, releaseNotes, versionFaults } = (await import(
  `${ROOT}scripts/release/versions.mjs`
)) as {
  packageVersion: () => string;
  releaseNotes: (version: string, changelog?: string) => string;
  versionFaults: (tag?: string, read?: Read) => string[];
};

const version = packageVersion();

/** The files of a tree in which one text is replaced; the changelog has its date. */
function tree(path: string, text: RegExp | string, by: string): Read {
  const changed = read(path).replace(text, by);
  if (changed === read(path)) throw new Error(`${text} is not in ${path}`);
  return (asked) => {
    const source = asked === path ? changed : read(asked);
    return asked === 'CHANGELOG.md' && path !== asked ? dated(source) : source;
  };
}

function dated(changelog: string): string {
  return changelog.replace('(unreleased)', '(2026-11-26)');
}

const released: Read = (path) => (path === 'CHANGELOG.md' ? dated(read(path)) : read(path));

test('the versions of this tree agree', (t) => {
  t.deepEqual(versionFaults(), []);
  t.deepEqual(versionFaults(`v${version}`, released), []);
});

test('a file with another version is named', (t) => {
  for (const [path, text] of [
    ['package-lock.json', `"version": "${version}"`],
    ['Cargo.toml', `version = "${version}"`],
    ['Cargo.lock', `name = "ioloop"\nversion = "${version}"`],
    ['Cargo.lock', `name = "ioloop-napi"\nversion = "${version}"`],
  ] as const) {
    const faults = versionFaults(`v${version}`, tree(path, text, text.replace(version, '9.9.9')));
    t.is(faults.length, 1, path);
    t.true(faults[0]?.startsWith(path) && faults[0].includes('9.9.9'), faults[0]);
  }
});

test('another tag is refused', (t) => {
  const [fault = '', ...more] = versionFaults('v9.9.9', released);
  t.deepEqual(more, []);
  t.true(fault.includes(`v9.9.9, and package.json has version ${version}`), fault);
  t.is(versionFaults(version, released).length, 1);
});

test('a release needs a dated section with entries for its version', (t) => {
  const heading = /^## .+$/m;
  const faultsOf = (by: string, tag?: string): string[] =>
    versionFaults(tag, tree('CHANGELOG.md', heading, by));
  const tag = `v${version}`;
  t.regex(faultsOf(`## ${version} (unreleased) `, tag).join(), /no section|has no entry/);
  t.deepEqual(faultsOf('## 9.0.0 (unreleased)'), []);
  t.regex(faultsOf('## 9.0.0 (2026-11-26)').join(), /newest section .* is 9\.0\.0/);
  t.regex(faultsOf(`## ${version} (soon)`).join(), /soon is neither a date/);
  t.regex(faultsOf(`## ${version} (2026-99-99)`).join(), /2026-99-99 is neither a date/);
  t.regex(faultsOf(`## ${version} (2026-11-26)\n\n## 0.0.1 (2026-01-01)`).join(), /no entry/);
});

test('the workflow compares before anything is installed', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'ioloop-release-'));
  t.teardown(() => {
    rmSync(folder, { recursive: true });
  });
  const files = ['CHANGELOG.md', 'Cargo.lock', 'Cargo.toml', 'package-lock.json', 'package.json'];
  for (const path of [...files, 'scripts']) {
    cpSync(`${ROOT}${path}`, join(folder, path), { recursive: true });
  }
  const check = (...args: string[]): string => {
    const command = ['scripts/release.mjs', 'check', ...args];
    const { status, stdout, stderr } = spawnSync(process.execPath, command, {
      cwd: folder,
      encoding: 'utf8',
    });
    return `${status} ${stdout}${stderr}`;
  };
  t.is(check(), `0 versions agree: ${version}\n`);
  t.regex(check('--tag', 'v9.9.9'), /^1 .*it has to be v/s);
});

test('an unreleased version is not released', (t) => {
  const unreleased = tree('CHANGELOG.md', /^## .+$/m, `## ${version} (unreleased)\n`);
  t.regex(versionFaults(`v${version}`, unreleased).join(), /says that .* is unreleased/);
});

test('the notes of a release are its entries, without its heading and other versions', (t) => {
  const changelog = '# C\n\n## 2.0.0 (2026-02-02)\n\n- two\n\n## 1.0.0 (2026-01-01)\n\n- one\n';
  t.is(releaseNotes('2.0.0', changelog), '- two');
  t.is(releaseNotes('1.0.0', changelog), '- one');
  t.is(releaseNotes('3.0.0', changelog), '');
});

test('each function and event that the changelog names is in the typings', (t) => {
  const typings = readdirSync(`${ROOT}dist`, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.d.ts'))
    .map((file) => read(`dist/${file}`))
    .join('\n');
  const names = Array.from(
    read('CHANGELOG.md').matchAll(/`(?:[\w.]+\.)?(\w+)\(/g),
    ([, name]) => name as string,
  );
  t.true(names.length > 30);
  t.deepEqual(
    names.filter((name) => !RegExp(`\\b${name}\\b`).test(typings)),
    [],
  );
});
