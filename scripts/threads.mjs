// `npm run test:threads`: calls between threads, at scale. The last line is `N passed, N failed`, of rows.
//
//   npm run test:threads -- --quick       a tenth of the work
//   npm run test:threads -- --driver thread
import process from 'node:process';
import { parseArgs } from 'node:util';
import { among, script } from './lib/process.mjs';
import { setUp } from './lib/setup.mjs';
import { drivers } from './lib/stages.mjs';

/** For all rows. */
const LIMIT_MS = 15 * 60_000;

await script(async () => {
  const { values } = parseArgs({
    options: { quick: { type: 'boolean' }, driver: { type: 'string' } },
  });
  among('driver', values.driver, drivers);
  const divisor = values.quick === true ? 10 : 1;
  setUp();
  // It imports the package.
  const { closeInTheMiddle, terminateWorkers } = await import('./lib/threads.mjs');
  // A row that hangs ends the process, and counts as failed.
  setTimeout(() => {
    console.log(`\nnothing for ${LIMIT_MS / 60_000} minutes`);
    process.exit(1);
  }, LIMIT_MS).unref();
  let failed = 0;
  let passed = 0;
  for (const driver of values.driver === undefined ? drivers : [values.driver]) {
    if (driver === 'libuv') delete process.env['IOLOOP_DRIVER'];
    else process.env['IOLOOP_DRIVER'] = driver;
    console.log(`\ndriver ${driver}`);
    const rows = [
      await closeInTheMiddle({ workers: 8, posts: 1_000_000 / divisor }),
      await terminateWorkers({ workers: 200 / divisor, atOnce: 10 }),
    ];
    for (const { name, facts, faults } of rows) {
      console.log(`${faults.length === 0 ? 'passed' : 'FAILED'}  ${name}: ${facts}`);
      for (const fault of faults) console.log(`        ${fault}`);
      if (faults.length === 0) passed += 1;
      else failed += 1;
    }
  }
  console.log(`\n${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
});
