// `npm test`: set up, run every stage, count. The last line is `N passed, N failed`.
//
//   npm test -- --only ava|cargo|check   one kind of stage
//   npm test -- --driver libuv|thread    one driver
//   npm test -- --match 'pattern'        ava tests by title
import { parseArgs } from 'node:util';
import { script } from './lib/process.mjs';
import { setUp, setUpTests } from './lib/setup.mjs';
import { runStage, stages } from './lib/stages.mjs';

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    driver: { type: 'string' },
    match: { type: 'string' },
  },
});

await script(async () => {
  const drivers = values.driver === undefined ? ['libuv', 'thread'] : [values.driver];
  const selected = stages({ match: values.match, drivers }).filter(
    ({ kind }) => values.only === undefined || kind === values.only,
  );
  setUp();
  setUpTests();

  const total = { passed: 0, failed: 0, skipped: 0 };
  const table = [];
  for (const stage of selected) {
    console.log(`\n--- ${stage.name}`);
    const start = performance.now();
    const result = await runStage(stage, console.log);
    const seconds = ((performance.now() - start) / 1e3).toFixed(1);
    table.push(`${stage.name.padEnd(22)} ${summary(result).padEnd(24)} ${seconds.padStart(6)} s`);
    total.passed += result.passed;
    total.failed += result.failed;
    total.skipped += result.skipped;
  }
  console.log(`\n${table.join('\n')}\n\n${summary(total)}`);
  process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
});

/** @param {{ passed: number, failed: number, skipped: number }} result */
function summary({ passed, failed, skipped }) {
  const tail = skipped > 0 ? `, ${skipped} skipped` : '';
  return `${passed} passed, ${failed} failed${tail}`;
}
