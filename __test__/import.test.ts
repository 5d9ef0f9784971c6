// What an import costs: the modules of Node that it loads, and the files that it opens.
import test from 'ava';
import { readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { runChild } from './helpers/child.js';
import { testOwnSockets } from './helpers/sockets-of.js';

/** Each costs a part of a millisecond; what a program may never use is in `ts/support/builtins.ts`. */
const LOADED = new Set([
  'async_hooks',
  'diagnostics_channel',
  'events',
  'fs',
  'module',
  'os',
  'path',
  'perf_hooks',
  'stream',
  'stream/promises',
  'string_decoder',
  'timers',
  'timers/promises',
  'url',
  'util',
  'worker_threads',
]);

testOwnSockets(
  'an import loads these modules of Node, and none for sockets, processes and TLS',
  async (t) => {
    const { stdout } = await runChild(`
    const before = new Set(process.moduleLoadList);
    await import('ioloop');
    const added = process.moduleLoadList.filter((name) => !before.has(name));
    console.log(JSON.stringify(added));
  `);
    const added = (JSON.parse(stdout) as string[]).map((name) => name.replace('NativeModule ', ''));
    const loaded = added.filter((name) => builtinModules.includes(name));
    t.true(loaded.includes('worker_threads'));
    t.deepEqual(
      loaded.filter((name) => !LOADED.has(name)),
      [],
    );
  },
);

test('an import opens two files of JavaScript', (t) => {
  t.deepEqual(importsOf('index.js'), ['./ioloop.js']);
  t.deepEqual(
    importsOf('ioloop.js').filter((name) => !name.startsWith('node:')),
    [],
  );
});

test('the package is ASCII: V8 needs half the memory for it, and less time', (t) => {
  const source = readFileSync(new URL('../../dist/ioloop.js', import.meta.url), 'utf8');
  t.deepEqual(source.match(/^.*[^\t\n -~].*$/gm), null);
});

test('the sampler of stacks and the command line import no other file of the package', (t) => {
  for (const program of ['stack-sampler.js', 'cli.js']) {
    t.true(importsOf(program).every((name) => name.startsWith('node:')));
  }
});

/** The static imports of a file in `dist`. */
function importsOf(file: string): string[] {
  const source = readFileSync(new URL(`../../dist/${file}`, import.meta.url), 'utf8');
  const found = source.matchAll(/^(?:import|export)\b[^;]*?\bfrom '([^']+)';$/gm);
  return Array.from(found, ([, name = '']) => name);
}
