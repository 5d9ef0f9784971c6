// `npm run test:integrity`: a million messages through every kind of read, from a sender in another
// process and compared byte by byte, at default and at tiny capacities, over both drivers. The last
// line is `N passed, N failed`, of rows.
//
//   npm run test:integrity -- --messages 100000 --capacities tiny|default|both --driver thread
//   further options, handed on: --megabytes, --modes, --transports, --connections, --only
import { spawnSync } from 'node:child_process';
import { Hint, script } from './lib/process.mjs';
import { runRows } from './lib/rows.mjs';

/** For all rows of a driver. */
const LIMIT_MS = 3 * 60 * 60_000;

await script(async () => {
  if (spawnSync('cc', ['--version']).error !== undefined) {
    throw new Hint('The sender is written in C, and there is no cc: install gcc.');
  }
  await runRows('integrity', process.argv.slice(2), LIMIT_MS);
});
