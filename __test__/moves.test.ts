/**
 * A short run of `npm run test:moves`: a connection moves between threads while its peer, in another
 * process, sends without a pause and compares the echo byte by byte.
 */
import test from 'ava';
import { runRow, type Row } from './moves/row.js';

const ROWS: readonly Row[] = [
  { transport: 'tcp', threads: 3, tiny: false, moves: 300 },
  { transport: 'unix', threads: 2, tiny: false, moves: 300 },
  { transport: 'tcp', threads: 2, tiny: true, moves: 300 },
  // One thread, which attaches what it has detached itself.
  { transport: 'unix', threads: 1, tiny: true, moves: 300 },
];

test.before(async () => {
  // Opens what stays open, such as the libuv handle of this thread.
  await runRow({ transport: 'tcp', threads: 1, tiny: false, moves: 10 });
});

for (const row of ROWS) {
  const capacities = row.tiny ? 'tiny' : 'default';
  test.serial(
    `no byte is lost: ${row.transport}, ${row.threads} threads, ${capacities}`,
    async (t) => {
      const { note, bytes } = await runRow(row);
      t.is(note, '');
      t.true(bytes > 0);
    },
  );
}
