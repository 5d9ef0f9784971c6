// `npm run test:sockets`: servers, clients and streams over `node:net`, as they are where the binary has
// no selector (WebAssembly). The same tests as for the package's own sockets, those below; what needs a
// descriptor is left out by `testOwnSockets`, and the title says so.
//
//   npm run test:sockets -- --match 'pattern'   tests by title
import { parseArgs } from 'node:util';
import { socketTests } from './lib/core-tests.mjs';
import { script } from './lib/process.mjs';
import { Report, heading, indented } from './lib/report.mjs';
import { setUp, setUpTests } from './lib/setup.mjs';
import { avaTests, runStage } from './lib/stages.mjs';

const { values } = parseArgs({ options: { match: { type: 'string' } } });

await script(async () => {
  setUp();
  setUpTests();
  const stage = avaTests('libuv', { match: values.match });
  const files = socketTests.map((name) => `build/__test__/${name}.test.js`);
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
