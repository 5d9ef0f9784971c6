/** Sentences of the documentation that no other file holds. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { IOLoop, type Timeout } from 'ioloop';

const root = new URL('../../', import.meta.url);

test('a subclass that overrides callAt sees all timeouts', async (t) => {
  class Recording extends IOLoop {
    readonly seen: number[] = [];

    override callAt<A extends unknown[]>(
      when: number,
      callback: (...args: A) => unknown,
      ...args: A
    ): Timeout {
      this.seen.push(when);
      return super.callAt(when, callback, ...args);
    }
  }
  const loop = new Recording({ makeCurrent: false, timeFunc: () => 1_000 });
  const run: string[] = [];
  loop.callAt(1, (name: string) => run.push(name), 'callAt');
  loop.callLater(-2, (name: string) => run.push(name), 'callLater');
  loop.addTimeout({ seconds: -3 }, (name: string) => run.push(name), 'addTimeout');
  t.deepEqual(loop.seen, [1, 998, 997]);
  loop.addCallback(() => loop.stop());
  await loop.start();
  loop.close();
  t.deepEqual(run, ['callAt', 'addTimeout', 'callLater']);
});

test('the demo serves many connections and loses nothing', async (t) => {
  const demo = fileURLToPath(new URL('examples/demo/main.mjs', root));
  const args = [demo, '--connections', '100', '--seconds', '1'];
  const run = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  run.stdout.on('data', (chunk) => (output += String(chunk)));
  const [code] = await once(run, 'close');
  t.is(code, 0, output);
  t.regex(output, /server: examples\/echo-server\.mjs on 127/);
  t.regex(output, /connections +100\n/);
  t.regex(output, /lost +0\n/);
});

test('the demo says how it is used, when asked and when it was not understood', async (t) => {
  const demo = fileURLToPath(new URL('examples/demo/main.mjs', root));
  for (const [args, expected] of [
    [['--help'], 0],
    [['--no-such-option'], 2],
  ] as const) {
    const run = spawn(process.execPath, [demo, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [run.stdout, run.stderr]) {
      stream.on('data', (chunk) => (output += String(chunk)));
    }
    const [code] = await once(run, 'close');
    t.is(code, expected);
    t.regex(output, /Usage: npm start -- \[options\]/);
    t.notRegex(output, /\n +at /);
  }
});
