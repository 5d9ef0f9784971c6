// `npm run test:sockets`: servers, clients and streams over `node:net`, as they are where the binary has
// no selector (WebAssembly). The same tests as for the package's own sockets, those below; what needs a
// descriptor is left out by `testOwnSockets`, and the title says so.
//
//   npm run test:sockets -- --match 'pattern'   tests by title
import { parseArgs } from 'node:util';
import { script } from './lib/process.mjs';
import { Report, heading, indented } from './lib/report.mjs';
import { setUp, setUpTests } from './lib/setup.mjs';
import { avaTests, runStage } from './lib/stages.mjs';

const { values } = parseArgs({ options: { match: { type: 'string' } } });

/** Of `__test__`, without `.test.ts`. */
const TESTS = [
  'chunks',
  'client-hosts',
  'client-options',
  'duplex',
  'duplex-events',
  'duplex-members',
  'end-of-stream',
  'failed-handshakes',
  'interop',
  'iostream-close',
  'iostream-connect',
  'iostream-half-close',
  'iostream-reads',
  'iostream-waits',
  'iostream-write-failures',
  'iostream-writes',
  'node-sockets',
  'proxy-header',
  'proxy-protocol',
  'serve-http',
  'server-iteration',
  'server-stop-tls',
  'start-tls',
  'start-tls-server',
  'stream-pairs',
  'tcp-client',
  'tcp-server',
  'tls',
  'tls-certificates',
];

await script(async () => {
  setUp();
  setUpTests();
  const stage = avaTests('libuv', { match: values.match });
  const files = TESTS.map((name) => `build/__test__/${name}.test.js`);
  const report = new Report();
  heading('ava, sockets of node:net');
  await report.measure('ava, sockets of node:net', () =>
    runStage(
      {
        ...stage,
        args: [...stage.args, ...files],
        env: { ...stage.env, IOLOOP_SOCKETS: 'node' },
      },
      indented,
    ),
  );
  report.close();
});
