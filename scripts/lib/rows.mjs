// Programs of `build/__test__` that print a table of rows and, at its end, `N passed, N failed`: run
// over each driver, and counted.
import { join } from 'node:path';
import { among, root, stream } from './process.mjs';
import { setUp, setUpTests } from './setup.mjs';
import { drivers } from './stages.mjs';

/**
 * Sets up, runs a program over the driver of the option `--driver`, or over each, and hands the other
 * options on. Prints the sums; none passed is a failure.
 *
 * @param {string} name the folder of the program, below `build/__test__`
 * @param {string[]} args
 * @param {number} limitMs for all rows of a driver
 */
export async function runRows(name, args, limitMs) {
  const { driver, rest } = withoutDriver(args);
  among('driver', driver, drivers);
  setUp();
  setUpTests();
  const program = join(root, 'build', '__test__', name, 'main.js');
  const total = { passed: 0, failed: 0 };
  for (const one of driver === undefined ? drivers : [driver]) {
    const found = await runOver(one, [program, ...rest], limitMs);
    total.passed += found.passed;
    total.failed += found.failed;
  }
  console.log(`\n${total.passed} passed, ${total.failed} failed`);
  process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
}

/** @param {string[]} args */
function withoutDriver(args) {
  const at = args.indexOf('--driver');
  if (at < 0) return { driver: undefined, rest: args };
  return { driver: args[at + 1] ?? '', rest: args.toSpliced(at, 2) };
}

/**
 * A run that ends without counting is a failure.
 *
 * @param {string} driver
 * @param {string[]} command
 * @param {number} limitMs
 */
async function runOver(driver, command, limitMs) {
  const counts = { passed: 0, failed: 1 };
  const code = await stream(process.execPath, command, {
    env: { IOLOOP_DRIVER: driver === 'libuv' ? undefined : driver },
    limitMs,
    onLine: (line) => {
      const found = line.match(/^(\d+) passed, (\d+) failed$/);
      if (found === null) return console.log(line);
      [counts.passed, counts.failed] = found.slice(1).map(Number);
    },
  });
  if (code !== 0 && counts.failed === 0) counts.failed = 1;
  return counts;
}
