/**
 * User code is entered by one way, `ts/loop/guard.ts`. What calls a function of the program, waits
 * for its promise or reports its failure elsewhere shows by these patterns; a file that has a reason
 * to match is named here, with the reason.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const ts = fileURLToPath(new URL('../../ts/', import.meta.url));

const PATTERNS: readonly {
  readonly what: string;
  readonly pattern: RegExp;
  readonly files: Readonly<Record<string, string>>;
}[] = [
  {
    what: 'watches a promise of the program',
    pattern: /\.catch\(|\.then\(\s*(?:undefined|null)|Promise\.resolve\([^()]+\)\s*\./g,
    files: {
      'loop/guard.ts': 'the way itself',
      'sockets/fd.ts': 'close() of an object: its failure is not reported',
      'support/deferred.ts': 'a promise of our own',
      'streams/stream.ts': 'the promise of a writer, which closes the stream by itself',
      'streams/stream-promises.ts': 'promises of streams, in debug mode',
      'streams/watched-promise.ts': 'the promise of a stream itself, in debug mode',
    },
  },
  {
    what: 'distinguishes a promise from another result',
    pattern: /\bisThenable\(/g,
    files: {
      'loop/guard.ts': 'the way itself',
      'support/checks.ts': 'its definition',
      'loop/ioloop.ts': 'the argument of addFuture()',
      'loop/run-sync.ts': 'the contract of runSync(): what is not a promise is refused',
    },
  },
  {
    what: 'runs a function in an async context',
    pattern: /\.runInAsyncScope\(/g,
    files: {
      'loop/guard.ts': 'the way itself',
      'loop/async-context.ts': 'makes contexts',
      'loop/turns.ts': 'a turn',
      'streams/iostream.ts': 'a close callback, which the loop calls',
      'streams/adapters/duplex-flow.ts': 'listeners and callbacks of a Duplex of Node',
    },
  },
  {
    what: 'reports a failure past the guard',
    pattern: /\.handleCallbackException\(/g,
    files: { 'loop/loop-parts.ts': 'what the guard of the loop calls' },
  },
];

/** The code of a file, without its comments. */
function codeOf(file: string): string {
  return readFileSync(ts + file, 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
}

const sources = readdirSync(ts, { recursive: true, encoding: 'utf8' }).filter((file) =>
  file.endsWith('.ts'),
);

for (const { what, pattern, files } of PATTERNS) {
  test(`only named files have code that ${what}`, (t) => {
    const found = sources.filter((file) => codeOf(file).search(pattern) !== -1);
    t.deepEqual(
      found.filter((file) => !(file in files)),
      [],
    );
    t.true(found.length > 0);
  });
}
