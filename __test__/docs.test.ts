/** The pages say what is so: files, commands, links, codes, versions and constants. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { table } from '#internal';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

const PAGES = [
  'ARCHITECTURE.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'README.md',
  ...readdirSync(`${ROOT}docs`)
    .filter((file) => file.endsWith('.md'))
    .map((file) => `docs/${file}`),
];

/** Sentences about constants, and the code that they are about. */
const FACTS: [page: string, sentence: string, code: string][] = [
  ['README.md', 'a block of up to 128 KiB', 'receiveBlock: 128 * 1024,'],
  ['README.md', 'At most one chunk (64 KiB) is received', 'CHUNK = 65_536;'],
  ['README.md', '`maxBufferSize` unread bytes are held (100 MiB)', 'MAX_BUFFER = 104_857_600;'],
  [
    'README.md',
    '**`maxWriteBufferSize` is unlimited by default',
    '{ maxWriteBufferSize = Infinity }',
  ],
  ['README.md', 'a regex within 64 KiB', 'REGEX_BYTES = 65_536;'],
  ['README.md', 'Up to 4 KiB are copied at once', 'SMALL_PIECE = 4096;'],
  ['README.md', 'counts 128 bytes more, for its promise', 'SMALL_WRITE_COST = 128;'],
  ['README.md', 'accepting pauses for 100 ms', 'FIRST_PAUSE = 0.1;'],
  ['README.md', 'for 100 ms, up to 1 s', 'LONGEST_PAUSE = 1;'],
  ['docs/migrating-from-tornado.md', 'run out (100 ms, up to 1 s)', 'FIRST_PAUSE = 0.1;'],
  ['docs/migrating-from-tornado.md', 'Pieces of more than 4 KiB', 'SMALL_PIECE = 4096;'],
  ['docs/errors.md', 'A piece of more than 4 KiB of a `write()`', 'SMALL_PIECE = 4096;'],
  ['docs/loop-iteration.md', '(deadline, insertion), at most 4,096', 'timers: 4096,'],
  ['docs/loop-iteration.md', 'at most 2,048 sources together', 'EVENT_BUDGET: usize = 1024;'],
  ['docs/loop-iteration.md', 'receives up to 8 KiB', 'receiveBytes: 8 * 1024,'],
  ['docs/loop-iteration.md', '16 or more timeouts ran', 'SLACK_BURST: usize = 16;'],
  ['docs/loop-iteration.md', 'within the next millisecond', 'TIMER_SLACK: u64 = 1_000_000;'],
  ['docs/loop-iteration.md', 'pauses, 10 ms at first', 'FIRST_PAUSE = 10;'],
  ['docs/loop-iteration.md', '10 ms at first and up to 1 s', 'LONGEST_PAUSE = 1_000;'],
  ['docs/loop-iteration.md', 'reported at once, then after 1, 2, 4 s', 'FIRST = 1_000;'],
  ['docs/loop-iteration.md', 'at most every minute', 'LONGEST = 60_000;'],
  ['docs/scaling.md', 'has a backlog of 128 by default', 'DEFAULT_BACKLOG = 128;'],
  ['docs/protocols.md', 'then share 256 KiB', 'borrowedRoom: 256 * 1024,'],
  ['docs/protocols.md', 'one of 32 KiB and more is sent at once', 'AT_ONCE = 32 * 1024;'],
  ['docs/design.md', 'one of 32 KiB and more is sent at once', 'AT_ONCE = 32 * 1024;'],
  ['docs/design.md', 'After 16 such events', 'STALE_EVENT_LIMIT: u32 = 16;'],
  ['docs/design.md', 'eight levels with 64 slots', 'LEVEL_BITS: u32 = 6;'],
  ['docs/design.md', 'a slot of the lowest level spans 2²⁰ ticks', 'SLOT_BITS: u32 = 20;'],
  ['docs/design.md', 'blocks of 512 callbacks with three words each', 'WORDS * 512;'],
  ['docs/design.md', 'returns views of 128 KiB blocks', 'receiveBlock: 128 * 1024,'],
  ['docs/design.md', '8 KiB at a time', 'receiveBytes: 8 * 1024,'],
  ['docs/design.md', 'reads 256 KiB and sends 512 KiB per turn', 'readBudget: 256 * 1024,'],
  ['docs/design.md', 'reads 256 KiB and sends 512 KiB per turn', 'sendBudget: 512 * 1024,'],
  ['docs/design.md', 'A write of up to 4 KiB is copied to a slab', 'SMALL_PIECE = 4096;'],
];

const sources = ['ts', 'crates']
  .flatMap((folder) => filesIn(folder))
  .filter((file) => /\.(ts|rs)$/.test(file));
const code = sources.map((file) => read(file)).join('\n');

test('constants that pages state are those of the code', (t) => {
  for (const [page, sentence, constant] of FACTS) {
    t.true(read(page).includes(sentence), `${page} no longer says "${sentence}"`);
    t.true(
      code.includes(constant),
      `${page} says "${sentence}", and the code has no "${constant}"`,
    );
  }
});

test('files that pages name exist', (t) => {
  const known = new Set([...sources, ...filesIn('benches')].map((file) => basename(file)));
  let named = 0;
  for (const page of PAGES) {
    for (const [, path = ''] of read(page).matchAll(/`([\w.-]+(?:\/[\w.-]+)*\.(?:ts|rs|mjs))`/g)) {
      const exists = path.includes('/') ? existsSync(join(ROOT, path)) : known.has(path);
      // A path may begin at the folder that the section is about.
      const isTail = sources.some((file) => file.endsWith(`/${path}`));
      t.true(exists || isTail || existsSync(join(ROOT, 'benches', path)), `${page}: ${path}`);
      named += 1;
    }
  }
  t.true(named > 60, `${named} files are named`);
});

test('the code map of ARCHITECTURE.md has every source file', (t) => {
  const map = read('ARCHITECTURE.md');
  // `net/` of the core and `io/` of the binding have a row each.
  const files = sources.filter((file) =>
    /^(ts|crates\/[\w-]+\/src)\/(?!net\/[a-z]+\.rs|io\/)/.test(file),
  );
  t.true(files.length > 80);
  for (const file of files) {
    if (!/\/(lib|mod)\.rs$/.test(file)) t.true(map.includes(`${basename(file)}\``), file);
  }
});

test('commands that pages name exist', (t) => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  let named = 0;
  for (const page of PAGES) {
    for (const [, name = ''] of read(page).matchAll(/npm run ([\w:]+)/g)) {
      t.true(name in scripts, `${page}: npm run ${name}`);
      named += 1;
    }
  }
  t.true(named > 10, `${named} commands are named`);
});

test('links lead to files and headings that exist', (t) => {
  let links = 0;
  for (const page of PAGES) {
    for (const [, target = ''] of read(page).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue;
      const [path = '', anchor] = target.split('#');
      const file = path === '' ? page : join(dirname(page), path);
      t.true(existsSync(join(ROOT, file)), `${page}: ${target}`);
      if (anchor !== undefined) t.true(anchors(file).includes(anchor), `${page}: ${target}`);
      links += 1;
    }
  }
  t.true(links > 20, `${links} links`);
});

test('error codes that pages name exist', (t) => {
  for (const page of PAGES) {
    for (const [name] of read(page).matchAll(/ERR_(?:IOLOOP|INVALID|OUT)_\w+/g)) {
      t.true(name in table, `${page}: ${name}`);
    }
  }
});

test('the README supports what is declared and built', (t) => {
  const readme = read('README.md');
  const manifest = JSON.parse(read('package.json')) as {
    engines: { node: string };
  };
  t.true(readme.includes(`\`${manifest.engines.node.replaceAll('|', String.raw`\|`)}\``));
  const [, rust = ''] = /^rust-version = "(.+)"$/m.exec(read('Cargo.toml')) ?? [];
  t.true(readme.includes(`| ${rust} or later, only to build from source`));
  const [, majors = ''] = /node: .*default: '([\d,]+)'/.exec(read('scripts/matrix.mjs')) ?? [];
  t.true(majors.split(',').length > 1);
  const [, tested = ''] = /CI runs the tests on ([\d, and]+)/.exec(readme) ?? [];
  for (const major of majors.split(',')) t.regex(tested, RegExp(`\\b${major}\\b`));
});

test('CI runs what CONTRIBUTING.md says', (t) => {
  const workflow = read('.github/workflows/ci.yml');
  t.regex(workflow, /run: \.ci\/run$/m);
  t.regex(read('.ci/run'), /^exec npm test -- --all$/m);
  const [, jobs = ''] = /^## CI\n(.*?)\n## /ms.exec(read('CONTRIBUTING.md')) ?? [];
  const commands = Array.from(jobs.matchAll(/`((?:npm run|cargo) [^`]+|typos|actionlint)`/g));
  t.true(commands.length >= 7);
  const workflows = readdirSync(`${ROOT}.github/workflows`)
    .map((file) => read(`.github/workflows/${file}`))
    .join('\n');
  for (const [, command = ''] of commands) {
    // actionlint is run from its module.
    t.regex(workflows, RegExp(`run: .*${command}(@v|\\b)`), command);
  }
  const needed = /needs: \[(.+)\]/.exec(workflow)?.[1]?.split(', ');
  const names = Array.from(
    workflow.matchAll(/^  ([\w-]+):\n    (?:name|runs-on):/gm),
    ([, job]) => job,
  );
  t.deepEqual(
    needed,
    names.filter((job) => job !== 'passed'),
  );
});

test('the scripts and files that workflows and documents name exist', (t) => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  const pages = ['README.md', 'CONTRIBUTING.md', 'RELEASING.md', '.ci/run'];
  const workflows = readdirSync(`${ROOT}.github/workflows`).map(
    (name) => `.github/workflows/${name}`,
  );
  for (const page of [...pages, ...workflows]) {
    const named = read(page).matchAll(/\bnpm run ([\w:-]+)|\bnode (scripts\/\S+\.mjs)/g);
    for (const [text, script, file] of named) {
      const exists = script === undefined ? existsSync(join(ROOT, file ?? '')) : script in scripts;
      t.true(exists, `${page}: ${text}`);
    }
  }
});

test('`npm test` checks what CONTRIBUTING.md says', async (t) => {
  const { checks } = (await import(`${ROOT}scripts/lib/stages.mjs`)) as {
    checks: () => { name: string }[];
  };
  const [row = ''] = /^\| `npm test` .*$/m.exec(read('CONTRIBUTING.md')) ?? [];
  for (const { name } of checks()) t.true(row.includes(name), name);
});

test('actions of the workflows are pinned by commit, with their version', (t) => {
  for (const file of readdirSync(`${ROOT}.github/workflows`)) {
    for (const [line] of read(`.github/workflows/${file}`).matchAll(/^.*\buses: .*$/gm)) {
      t.regex(line, /uses: [\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/, file);
    }
  }
});

/** The anchors of a page's headings, as GitHub makes them. */
function anchors(file: string): string[] {
  return Array.from(read(file).matchAll(/^#+ (.*)$/gm), ([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
}

function filesIn(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length));
}

function read(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8');
}

test('the changelog has one entry for each change', (t) => {
  const begins = Array.from(
    readFileSync(`${ROOT}CHANGELOG.md`, 'utf8').matchAll(/^- (?:([^:\n]{4,}):|(.+))/gm),
    ([, subject, entry]) => subject ?? entry ?? '',
  );
  t.true(begins.length > 50);
  t.deepEqual(
    begins.filter((text, at) => begins.indexOf(text) !== at),
    [],
  );
});
