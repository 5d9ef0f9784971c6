// `npm run test:moves`: a connection with unread bytes moves between threads a hundred thousand times,
// while its peer in another process sends without a pause and compares the echo byte by byte; at
// default and at tiny capacities, over TCP and Unix sockets, over both drivers. The last line is
// `N passed, N failed`, of rows.
//
//   npm run test:moves -- --quick                2,000 moves in each row
//   npm run test:moves -- --driver thread
//   further options, handed on: --moves, --threads, --transports tcp,unix,
//   --capacities tiny|default|both
import { script } from './lib/process.mjs';
import { runRows } from './lib/rows.mjs';

/** For all rows of a driver. */
const LIMIT_MS = 60 * 60_000;

await script(async () => {
  const args = process.argv.slice(2);
  const options = args.flatMap((arg) => (arg === '--quick' ? ['--moves', '2000'] : [arg]));
  await runRows('moves', options, LIMIT_MS);
});
