// `npm run test:poll`: the tests of the core and the ava suite over poll(2), the backend of systems
// without epoll and kqueue. The binary is built apart, for this system, and chosen by
// NAPI_RS_NATIVE_LIBRARY_PATH. What the backend does not have is left out by its capabilities
// (`testOn` of `__test__/helpers/fds.ts`), and the title says so.
//
//   npm run test:poll -- --match 'pattern'   ava tests by title
//   npm run test:poll -- --only cargo|ava    one kind
import { parseArgs } from 'node:util';
import { among, script } from './lib/process.mjs';
import { Report, heading, indented } from './lib/report.mjs';
import { pollBinary } from './lib/poll-binary.mjs';
import { setUp, setUpTests } from './lib/setup.mjs';
import { avaTests, coreOverPoll, runStage } from './lib/stages.mjs';

const { values } = parseArgs({
  options: { match: { type: 'string' }, only: { type: 'string' } },
});

await script(async () => {
  among('only', values.only, ['cargo', 'ava']);
  setUp();
  setUpTests();
  const { match } = values;
  const stages = [coreOverPoll(), avaTests('thread', { match, binary: pollBinary() })];
  const report = new Report();
  for (const stage of stages) {
    if (values.only !== undefined && values.only !== stage.kind) continue;
    heading(stage.name);
    await report.measure(stage.name, () => runStage(stage, indented));
  }
  report.close();
});
