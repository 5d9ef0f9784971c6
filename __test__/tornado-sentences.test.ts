/** docs/tornado-sentences.md names a test for each sentence: the tests exist. */
import { readdirSync, readFileSync } from 'node:fs';
import test from 'ava';

const root = new URL('../../', import.meta.url);
const page = readFileSync(new URL('docs/tornado-sentences.md', root), 'utf8');
const rows = page
  .split('\n')
  .filter((line) => line.startsWith('| ') && !/^\| (sentence|---)/.test(line));
const sources = new Map(
  readdirSync(new URL('__test__/', root))
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => [
      file.slice(0, -'.test.ts'.length),
      readFileSync(new URL(`__test__/${file}`, root), 'utf8'),
    ]),
);

test('the page has every sentence of the documentation', (t) => {
  t.true(rows.length > 150, `${rows.length} rows`);
});

test('every sentence has a test, unless it states nothing that could be tested or is planned', (t) => {
  for (const row of rows) {
    const [, here = '', heldBy = ''] = cells(row);
    if (!['advice', 'history', 'planned'].includes(here)) t.not(heldBy, '', row);
  }
});

test('every test that is named exists', (t) => {
  let named = 0;
  for (const row of rows) {
    for (const reference of (cells(row)[2] ?? '').split('<br>').filter(Boolean)) {
      const [, file = '', title = ''] = /^`(.+?)` › (.+)$/.exec(reference) ?? [];
      t.true(sources.get(file)?.includes(title), reference);
      named += 1;
    }
  }
  t.true(named > 100, `${named} references`);
});

function cells(row: string): string[] {
  return row
    .slice(1, -1)
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim());
}
