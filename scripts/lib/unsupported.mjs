// The tests that are unsupported over a flavour, by title: a table in the repository for each. A test that
// is unsupported and not in the table is a failure, and so is a row of the table whose test is
// supported or does not exist.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { testsNeeding } from './core-tests.mjs';
import { root } from './process.mjs';

/** Titles by name of the file. @typedef {Record<string, string[]>} Table */

/** Of the WebAssembly flavour. */
export const wasmTable = '__test__/by-capability/unsupported.json';

/**
 * The tests of a file in which the WebAssembly flavour refuses something, by title. A binary without
 * descriptors refuses the same, or less.
 * @param {string} file @returns {readonly string[] | 'all'}
 */
export function refusedByWasm(file) {
  if (Object.values(testsNeeding).some((files) => files.includes(file))) return 'all';
  return JSON.parse(readFileSync(join(root, wasmTable), 'utf8'))[file] ?? [];
}

export class UnsupportedTests {
  #file;
  #others;
  /** @type {Table} */
  #expected;
  /** @type {Map<string, string[]>} */
  #found = new Map();

  /**
   * @param {string} file the table, from the root of the repository
   * @param {ReadonlySet<string>} [others] files of which any test may be unsupported
   */
  constructor(file, others = new Set()) {
    this.#file = file;
    this.#others = others;
    const path = join(root, file);
    this.#expected = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : {};
  }

  /** Notes that a file was run. @param {string} name */
  ran(name) {
    if (!this.#found.has(name)) this.#found.set(name, []);
  }

  /** Notes an unsupported test. @param {string} name @param {string} title */
  add(name, title) {
    this.ran(name);
    this.#found.get(name)?.push(title);
  }

  /**
   * The differences from the table of the files that were run, as lines.
   * @param {{ isPart?: boolean }} [options] `isPart`: of these files, not all tests were run.
   */
  differences({ isPart = false } = {}) {
    const lines = [];
    for (const [name, titles] of this.#found) {
      if (this.#others.has(name)) continue;
      const expected = this.#expected[name] ?? [];
      for (const title of titles.filter((one) => !expected.includes(one))) {
        lines.push(`${name} › ${title}: unsupported, and not in ${this.#file}`);
      }
      for (const title of isPart ? [] : expected.filter((one) => !titles.includes(one))) {
        lines.push(`${name} › ${title}: in ${this.#file}, and not unsupported`);
      }
    }
    return lines;
  }

  /** Writes the table again, with what was found of the files that were run. */
  async update() {
    const { format, resolveConfig } = await import('prettier');
    const path = join(root, this.#file);
    const options = await resolveConfig(path);
    const all = { ...this.#expected, ...Object.fromEntries(this.#found) };
    const rows = Object.entries(all)
      .filter(([name, titles]) => titles.length > 0 && !this.#others.has(name))
      .map(([name, titles]) => [name, titles.toSorted()]);
    const table = Object.fromEntries(rows.toSorted(([one], [other]) => (one < other ? -1 : 1)));
    writeFileSync(path, await format(JSON.stringify(table), { ...options, parser: 'json' }));
  }
}

/**
 * A counter of TAP that notes the unsupported tests, and counts each difference from the table as a
 * failure.
 * @param {import('./counters.mjs').Counter} counter
 * @param {UnsupportedTests} tests
 * @param {object} options
 * @param {string} options.only the name of the file, if it is one: ava leaves it out then
 * @param {boolean} options.isPart
 * @param {boolean} options.isUpdate The differences are no failures.
 * @param {import('./counters.mjs').Show} show
 * @returns {import('./counters.mjs').Counter}
 */
export function comparing(counter, tests, { only, isPart, isUpdate }, show) {
  let last = ['', ''];
  return {
    read(line) {
      counter.read(line);
      if (/^# +unsupported: /.test(line)) tests.add(last[0], last[1]);
      const found = line.match(/^(?:not )?ok \d+ - (.*?)( # (?:SKIP|TODO).*)?$/i);
      if (found === null) return;
      const [, text = ''] = found;
      const at = only === '' ? text.indexOf(' › ') : -1;
      last = at < 0 ? [only, text] : [text.slice(0, at), text.slice(at + 3)];
      tests.ran(last[0]);
    },
    end(code) {
      const result = counter.end(code);
      const differences = isUpdate ? [] : tests.differences({ isPart });
      for (const line of differences) show(line);
      return { ...result, failed: result.failed + differences.length };
    },
  };
}
