// `npm run test:integrity`: a million messages through every kind of read, from a sender in another
// process and compared byte by byte, at default and at tiny capacities, over both drivers. The last
// line is `N passed, N failed`, of rows.
//
//   npm run test:integrity -- --messages 100000 --capacities tiny|default|both --driver thread
//   further options, handed on: --megabytes, --modes, --transports, --connections, --only
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { among, Hint, root, script, stream } from './lib/process.mjs';
import { setUp, setUpTests } from './lib/setup.mjs';
import { drivers } from './lib/stages.mjs';

/** For all rows of a driver. */
const LIMIT_MS = 3 * 60 * 60_000;

await script(async () => {
  const { driver, rest } = withoutDriver(process.argv.slice(2));
  among('driver', driver, drivers);
  if (spawnSync('cc', ['--version']).error !== undefined) {
    throw new Hint('The sender is written in C, and there is no cc: install gcc.');
  }
  setUp();
  setUpTests();
  const total = { passed: 0, failed: 0 };
  for (const name of driver === undefined ? drivers : [driver]) {
    const found = await runOver(name, rest);
    total.passed += found.passed;
    total.failed += found.failed;
  }
  console.log(`\n${total.passed} passed, ${total.failed} failed`);
  process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
});

/** @param {string[]} args */
function withoutDriver(args) {
  const at = args.indexOf('--driver');
  if (at < 0) return { driver: undefined, rest: args };
  return { driver: args[at + 1] ?? '', rest: args.toSpliced(at, 2) };
}

/** A run that ends without counting is a failure. @param {string} driver @param {string[]} args */
async function runOver(driver, args) {
  const counts = { passed: 0, failed: 1 };
  const code = await stream(
    process.execPath,
    [join(root, 'build', '__test__', 'integrity', 'main.js'), ...args],
    {
      env: { IOLOOP_DRIVER: driver === 'libuv' ? undefined : driver },
      limitMs: LIMIT_MS,
      onLine: (line) => {
        const found = line.match(/^(\d+) passed, (\d+) failed$/);
        if (found === null) return console.log(line);
        [counts.passed, counts.failed] = found.slice(1).map(Number);
      },
    },
  );
  if (code !== 0 && counts.failed === 0) counts.failed = 1;
  return counts;
}
