/** The programs of the README, as they stand: strict TypeScript, and run as under cron. */
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** Within the package, so that it is found by its name. */
const FOLDER = `${ROOT}build/readme/`;

const readme = readFileSync(`${ROOT}README.md`, 'utf8');
const programs = Array.from(readme.matchAll(/^```(?:js|ts)\n([\s\S]*?)^```/gm), ([, code]) =>
  String(code),
);

/** What the programs print, in their order. */
const OUTPUT = [
  /^received: hello\n$/,
  /^you said: hello\n+$/,
  /^connection from \{ host: '127\.0\.0\.1', port: \d+ \}\n$/,
];

test.before(() => {
  mkdirSync(FOLDER, { recursive: true });
  for (const [at, program] of programs.entries()) {
    writeFileSync(`${FOLDER}${at}.mts`, program);
    writeFileSync(`${FOLDER}${at}.mjs`, program);
  }
});

test.after.always(() => {
  rmSync(FOLDER, { recursive: true, force: true });
});

test('there are as many programs as are known here', (t) => {
  t.is(programs.length, OUTPUT.length);
});

test('they compile as strict TypeScript', async (t) => {
  const files = programs.map((_, at) => `${FOLDER}${at}.mts`);
  const flags = '--ignoreConfig --noEmit --strict --module nodenext --target es2023 --types node';
  const compiler = `${ROOT}node_modules/typescript/bin/tsc`;
  const args = [compiler, ...flags.split(' '), '--skipLibCheck', ...files];
  const { stdout } = await run(process.execPath, args, { cwd: ROOT }).catch(
    (error: unknown) => error as { stdout: string },
  );
  t.is(stdout, '');
});

for (const [at, output] of OUTPUT.entries()) {
  test(`program ${at + 1} prints what it says, without a standard input, and ends`, async (t) => {
    const args = ['-c', 'exec "$0" "$1" </dev/null', process.execPath, `${FOLDER}${at}.mjs`];
    const { stdout, stderr } = await run('sh', args, { timeout: 20_000, cwd: ROOT });
    t.regex(stdout, output);
    t.is(stderr, '');
  });
}

test('limits stand where they are met', (t) => {
  for (const limit of [
    /\*\*`maxWriteBufferSize` is unlimited by default/,
    /\*\*move only while their loop runs\*\*/,
    /`structuredClone\(result\)`/,
  ]) {
    t.regex(readme, limit);
  }
});
