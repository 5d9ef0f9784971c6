// What `docs/runtimes.md` says about other runtimes, and the lists of tests that run there.
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';

/** Compiled, this file is in `build/__test__`. */
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const page = readFileSync(`${ROOT}docs/runtimes.md`, 'utf8');

interface Capability {
  readonly isThere: () => boolean;
  readonly neededBy: Readonly<Record<string, readonly string[] | 'all'>>;
}
const { capabilities } = (await import(`${ROOT}scripts/portable/capabilities.mjs`)) as {
  readonly capabilities: Readonly<Record<string, Capability>>;
};
const { coreTests, quickTests } = (await import(`${ROOT}scripts/lib/core-tests.mjs`)) as {
  readonly coreTests: readonly string[];
  readonly quickTests: readonly string[];
};

test('the page lists the capabilities that other runtimes may lack, and no others', (t) => {
  const [, table = ''] = page.split('## What differs');
  const listed = [...table.matchAll(/^\| ([^|]+?) +\| (?:yes|no) /gm)].map(([, name]) => name);
  t.deepEqual(listed.toSorted(), Object.keys(capabilities).toSorted());
});

for (const [name, { isThere, neededBy }] of Object.entries(capabilities)) {
  test(`Node has: ${name}`, (t) => {
    t.true(isThere());
  });

  test(`tests that need it exist: ${name}`, (t) => {
    t.true(Object.keys(neededBy).length > 0);
    for (const [file, titles] of Object.entries(neededBy)) {
      t.true(coreTests.includes(file), file);
      if (titles === 'all') continue;
      const source = readFileSync(`${ROOT}__test__/${file}.test.ts`, 'utf8');
      for (const title of titles) t.true(hasTitle(source, title), title);
    }
  });
}

test('the files of the core exist, and the quick ones are part of it', (t) => {
  for (const name of coreTests) t.true(existsSync(`${ROOT}__test__/${name}.test.ts`), name);
  t.is(new Set(coreTests).size, coreTests.length);
  for (const name of quickTests) t.true(coreTests.includes(name), name);
});

/** Whether a literal of `source` is the title, where `${...}` stands for anything. */
function hasTitle(source: string, title: string): boolean {
  if (source.includes(`'${title}'`)) return true;
  return Array.from(source.matchAll(/`([^`\n]*\$\{[^`\n]*)`/g)).some(([, template = '']) => {
    const parts = template
      .split(/\$\{.*?\}/)
      .map((part) => part.replaceAll(/[$()*+.?[\\\]^{|}]/g, '\\$&'));
    return new RegExp(`^${parts.join('.+')}$`).test(title);
  });
}
