/** The systems that have a binary: one list, in four places. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { testIf } from './helpers/conditions.js';
import {
  functionsOf,
  GLIBC_FLOOR,
  isListedNode,
  loaded,
  NODE_VERSIONS,
  supportedSystems,
  targets,
  wasmTarget,
} from '#internal';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const read = (path: string): string => readFileSync(`${ROOT}${path}`, 'utf8');
const triples = targets.map(({ triple }) => triple).toSorted();

test('the loader has the targets that package.json builds', (t) => {
  const { napi } = JSON.parse(read('package.json')) as { napi: { targets: string[] } };
  t.deepEqual(napi.targets.toSorted(), [...triples, wasmTarget.triple].toSorted());
});

test('a release builds each target', (t) => {
  const [, build = ''] =
    /^  build:\n(.*?)^  test:/ms.exec(read('.github/workflows/release.yml')) ?? [];
  const built = Array.from(
    build.matchAll(/- \{\s+target: ([\w-]+)/g),
    ([, triple]) => triple as string,
  );
  t.deepEqual(built.toSorted(), [...triples, wasmTarget.triple].toSorted());
});

test('a module of WebAssembly gets arrays by the functions that copy them to its memory, only', (t) => {
  const declared = read('native/binding.d.ts').matchAll(
    /^export declare (?:const|function) (\w+)(?:: )?\(([^)]*)\)/gm,
  );
  const takesArrays = Array.from(declared, ([, name = '', parameters = '']) => ({
    name,
    parameters,
  }))
    .filter(({ parameters }) => /Array|Buffer/.test(parameters))
    .map(({ name }) => name);
  const elsewhere = new Set<string>(Object.values(functionsOf).flat());
  t.true(takesArrays.includes('sendBatch'));
  // `ts/boundary/module-memory.ts` has them.
  t.deepEqual(takesArrays.filter((name) => !elsewhere.has(name)).toSorted(), [
    'loopSleep',
    'loopSubmit',
    'loopTurn',
  ]);
});

test('the README has the list of the error message', (t) => {
  t.regex(supportedSystems(), /^Linux x64 \(glibc, musl\), .*Windows arm64$/);
  t.true(read('README.md').includes(`| Platforms | ${supportedSystems()}.`));
});

test('the loader asks for the package of each target, by a literal that tools can trace', (t) => {
  const source = read('ts/boundary/targets.ts');
  const all = [...targets, wasmTarget];
  for (const { name } of all) t.true(source.includes(`require('ioloop-${name}')`), name);
  t.is(source.match(/require\('ioloop-/g)?.length, all.length);
});

test('the page on platforms has the package of each target, and the floor of glibc', (t) => {
  const page = read('docs/platforms.md');
  const [, systems = ''] = /^## Systems\n(.*?)\n## /ms.exec(page) ?? [];
  const packages = Array.from(systems.matchAll(/`ioloop-([\w-]+)`/g), ([, name]) => name as string);
  const names = [...targets, wasmTarget].map(({ name }) => name);
  t.deepEqual(packages.toSorted(), names.toSorted());
  for (const [, version] of page.matchAll(/glibc (2\.\d+)(?= *[|,])/g)) t.is(version, GLIBC_FLOOR);
});

test('the names are those that napi-rs gives to files and packages', (t) => {
  t.deepEqual(
    targets.map(({ name }) => name),
    [
      'linux-x64-gnu',
      'linux-x64-musl',
      'linux-arm64-gnu',
      'linux-arm64-musl',
      'linux-arm-gnueabihf',
      'darwin-x64',
      'darwin-arm64',
      'freebsd-x64',
      'win32-x64-gnu',
      'win32-arm64-gnullvm',
    ],
  );
});

test('the versions of Node that an error names are those of package.json', (t) => {
  const { engines } = JSON.parse(read('package.json')) as { engines: { node: string } };
  t.is(NODE_VERSIONS, engines.node);
  const versions = [
    '20.18.9',
    '20.19.0',
    '21.7.0',
    '22.12.0',
    '22.13.0',
    '23.1.0',
    '24.0.0',
    '27.1.0',
  ];
  t.deepEqual(versions.filter(isListedNode), ['20.19.0', '22.13.0', '24.0.0', '27.1.0']);
});

test('the README promises the glibc that binaries are checked for', (t) => {
  t.true(read('README.md').includes(`for glibc run on ${GLIBC_FLOOR} and later`));
});

test('binaries for glibc are linked against the one that the README promises', async (t) => {
  const { GLIBC } = (await import(`${ROOT}scripts/lib/cross-binary.mjs`)) as { GLIBC: string };
  t.is(GLIBC, GLIBC_FLOOR);
});

const shown = spawnSync('objdump', ['-T', loaded.from], { encoding: 'utf8' });
const glibcTest = testIf(/GLIBC_/.test(shown.stdout ?? ''), 'objdump and a binary of glibc');

glibcTest('the glibc that a binary needs is read as objdump shows it', async (t) => {
  const glibc = (await import(`${ROOT}scripts/lib/glibc.mjs`)) as {
    neededVersions(path: string): string[];
    neededGlibc(path: string): string | null;
    compareVersions(one: string, other: string): number;
  };
  const versions = [...new Set(shown.stdout.match(/GLIBC_[\d.]+/g))].toSorted();
  const needed = glibc.neededVersions(loaded.from).filter((name) => name.startsWith('GLIBC_'));
  t.deepEqual([...new Set(needed)].toSorted(), versions);
  const newest = versions.map((name) => name.slice(6)).toSorted(glibc.compareVersions);
  t.is(glibc.neededGlibc(loaded.from), newest.at(-1) ?? null);
});
