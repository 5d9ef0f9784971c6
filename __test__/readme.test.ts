/** The README: its programs compile, run and print what it shows; its figures, commands and links are true. */
import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** Within the package, so that it is found by its name. */
const FOLDER = `${ROOT}build/readme/`;

const readme = readFileSync(`${ROOT}README.md`, 'utf8');

/** A fenced block: its language, its text, the line it begins in, and the heading above it. */
interface Block {
  readonly language: string;
  readonly text: string;
  readonly line: number;
  readonly section: string;
}

const blocks: Block[] = Array.from(
  readme.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm),
  ({ 1: language = '', 2: text = '', index }) => {
    const above = readme.slice(0, index).split('\n');
    const section = above.findLast((line) => /^##? /.test(line))?.replace(/^#+ /, '') ?? '';
    return { language, text, line: above.length, section };
  },
);
/** Each program with the block after it, which is its output. */
const programs = blocks.flatMap((block, at) =>
  block.language === 'js' ? [{ ...block, output: blocks[at + 1] }] : [],
);
/** The programs that need a certificate name its file. */
const certificate = blocks.find(({ text }) => text.startsWith('openssl '))?.text;
let hasCertificate = false;

test.before(async () => {
  mkdirSync(FOLDER, { recursive: true });
  for (const { line, text } of programs) {
    writeFileSync(`${FOLDER}${line}.mts`, text);
    writeFileSync(`${FOLDER}${line}.mjs`, text);
  }
  hasCertificate = await run('sh', ['-c', certificate ?? 'false'], { cwd: FOLDER }).then(
    () => true,
    () => false,
  );
});

test.after.always(() => {
  rmSync(FOLDER, { recursive: true, force: true });
});

test('every block is a program, the output of the program before it, or a command', (t) => {
  t.true(programs.length >= 8);
  for (const { language, line } of blocks) {
    t.true(['js', 'text', 'sh'].includes(language), `line ${line}`);
  }
  for (const { line, output } of programs) t.is(output?.language, 'text', `line ${line}`);
  t.is(blocks.filter(({ language }) => language === 'text').length, programs.length);
});

test('the programs compile as strict TypeScript', async (t) => {
  const files = programs.map(({ line }) => `${FOLDER}${line}.mts`);
  t.is(await compile([...files, '--exactOptionalPropertyTypes', '--noUncheckedIndexedAccess']), '');
});

test('so do the examples', async (t) => {
  const files = ['', 'redis/'].flatMap((folder) =>
    readdirSync(`${ROOT}examples/${folder}`)
      .filter((file) => file.endsWith('.mjs'))
      .map((file) => `${ROOT}examples/${folder}${file}`),
  );
  t.true(files.length >= 5);
  t.is(await compile([...files, '--allowJs', '--checkJs']), '');
});

/** What tsc says of these files, as a user's own compiler would. */
async function compile(args: string[]): Promise<string> {
  const compiler = `${ROOT}node_modules/typescript/bin/tsc`;
  const flags =
    '--ignoreConfig --noEmit --strict --skipLibCheck --module nodenext --target es2023 --lib es2023,esnext.disposable --types node';
  const { stdout } = await run(process.execPath, [compiler, ...flags.split(' '), ...args], {
    cwd: ROOT,
  }).catch((error: unknown) => error as { stdout: string });
  return stdout;
}

for (const { line, text, output, section } of programs) {
  test(`the program of "${section}" prints what is shown, without a standard input, and ends`, async (t) => {
    if (text.includes('cert.pem') && !hasCertificate) {
      t.log('skipped: no openssl');
      t.pass();
      return;
    }
    const args = ['-c', 'exec "$0" "$1" </dev/null', process.execPath, `${FOLDER}${line}.mjs`];
    const { stdout, stderr } = await run('sh', args, { timeout: 20_000, cwd: FOLDER });
    t.is(stdout, output?.text ?? 'the output');
    t.is(stderr, '');
  });
}

test('its figures are those of the benchmarks', async (t) => {
  const script = `${ROOT}scripts/readme-figures.mjs`;
  await t.notThrowsAsync(run(process.execPath, [script, '--check'], { cwd: ROOT }));
});

test('limits stand where they are met', (t) => {
  for (const limit of [
    /\*\*`maxWriteBufferSize` is unlimited by default/,
    /\*\*Streams and servers move only while their loop runs\*\*/,
    /`structuredClone\(result\)`/,
  ]) {
    t.regex(readme, limit);
  }
});
