/** The example with a real HAProxy: two servers that are restarted in turn, or killed, under load. */
import { execFile } from 'node:child_process';
import { symlinkSync } from 'node:fs';
import { promisify } from 'node:util';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { testWith } from './helpers/conditions.js';
import { directory } from './helpers/sockets.js';

const run = promisify(execFile);
// Compiled, this file is in `build/__test__`.
const EXAMPLE = fileURLToPath(
  new URL('../../examples/haproxy/rolling-restart.mjs', import.meta.url),
);

testWith('haproxy')(
  'no request fails while the servers behind HAProxy are restarted',
  async (t) => {
    // It gives up after 60 s.
    const { stdout, stderr } = await run(process.execPath, [EXAMPLE], { timeout: 100_000 });
    t.log(stdout);
    const counts = /^requests: (\d+), failures: (\d+), processes: (\d+)$/m.exec(stdout);
    const [, requests, failures, processes] = counts ?? [];
    t.true(Number(requests) > 0, stderr);
    t.is(failures, '0', stderr);
    t.is(processes, '4');
    t.is(stderr, '');
  },
);

testWith('haproxy')('a killed server fails only the requests that it had', async (t) => {
  const { stdout } = await run(process.execPath, [EXAMPLE, '--crash'], { timeout: 100_000 });
  t.log(stdout);
  const [, failures, processes] = /failures: (\d+), processes: (\d+)$/m.exec(stdout) ?? [];
  t.true(Number(failures) <= 16);
  // The new process has answered as well.
  t.is(processes, '3');
});

test('without HAProxy the example says so, and leaves no process', async (t) => {
  const path = directory(t);
  symlinkSync(process.execPath, `${path}/node`);
  const env = { ...process.env, PATH: path };
  const { code, stderr } = await run(`${path}/node`, [EXAMPLE], { env, timeout: 50_000 }).then(
    () => ({ code: 0, stderr: '' }),
    (error: unknown) => error as { code: number; stderr: string },
  );
  t.is(code, 1);
  t.is(stderr, 'haproxy cannot be started: it is not installed\n');
});
