// `npm run test:moves`: a connection with unread bytes moves between threads a hundred thousand times,
// while its peer in another process sends without a pause and compares the echo byte by byte; at
// default and at tiny capacities, over TCP and Unix sockets, over both drivers. The last line is
// `N passed, N failed`, of rows.
//
//   npm run test:moves -- --quick                2,000 moves in each row
//   npm run test:moves -- --driver thread
//   further options, handed on: --moves, --threads, --transports tcp,unix,
//   --capacities tiny|default|both
import { join } from 'node:path';
import { among, root, script, stream } from './lib/process.mjs';
import { setUp, setUpTests } from './lib/setup.mjs';
import { drivers } from './lib/stages.mjs';

/** For all rows of a driver. */
const LIMIT_MS = 60 * 60_000;

await script(async () => {
  const { driver, rest } = ownOptions(process.argv.slice(2));
  among('driver', driver, drivers);
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
function ownOptions(args) {
  const rest = args.flatMap((arg) => (arg === '--quick' ? ['--moves', '2000'] : [arg]));
  const at = rest.indexOf('--driver');
  if (at < 0) return { driver: undefined, rest };
  return { driver: rest[at + 1] ?? '', rest: rest.toSpliced(at, 2) };
}

/** A run that ends without counting is a failure. @param {string} driver @param {string[]} args */
async function runOver(driver, args) {
  const counts = { passed: 0, failed: 1 };
  const code = await stream(
    process.execPath,
    [join(root, 'build', '__test__', 'moves', 'main.js'), ...args],
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
