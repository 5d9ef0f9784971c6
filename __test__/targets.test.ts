/** The systems that have a binary: one list, in four places. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { NODE_VERSIONS, supportedSystems, targets, wasmTarget } from '#internal';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const read = (path: string): string => readFileSync(`${ROOT}${path}`, 'utf8');
const triples = targets.map(({ triple }) => triple).toSorted();

test('the loader knows the targets that package.json builds', (t) => {
  const { napi } = JSON.parse(read('package.json')) as { napi: { targets: string[] } };
  t.deepEqual(napi.targets.toSorted(), [...triples, wasmTarget.triple].toSorted());
});

test('a release builds each target', (t) => {
  const [, build = ''] =
    /^  build:\n(.*?)^  test:/ms.exec(read('.github/workflows/release.yml')) ?? [];
  const built = Array.from(
    build.matchAll(/- \{ target: ([\w-]+)/g),
    ([, triple]) => triple as string,
  );
  t.deepEqual(built.toSorted(), triples);
});

test('the README has the list of the error message', (t) => {
  t.regex(supportedSystems(), /^Linux x64 \(glibc, musl\), .*macOS arm64$/);
  t.true(read('README.md').includes(`| Platforms | ${supportedSystems()}.`));
});

test('the loader asks for the package of each target, by a literal that tools can trace', (t) => {
  const source = read('ts/boundary/targets.ts');
  const all = [...targets, wasmTarget];
  for (const { name } of all) t.true(source.includes(`require('ioloop-${name}')`), name);
  t.is(source.match(/require\('ioloop-/g)?.length, all.length);
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
    ],
  );
});

test('the versions of Node that an error names are those of package.json', (t) => {
  const { engines } = JSON.parse(read('package.json')) as { engines: { node: string } };
  t.is(NODE_VERSIONS, engines.node);
});
