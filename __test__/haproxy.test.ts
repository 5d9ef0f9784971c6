/** The example with a real HAProxy: two servers that are restarted in turn under load. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { fileURLToPath } from 'node:url';
import { testWith } from './helpers/fds.js';

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
