/**
 * The rows of writes of `npm run test:integrity`, shortened: pieces of every kind and size on several
 * streams at once, compared byte by byte by readers in other processes.
 */
import test, { type ExecutionContext } from 'ava';
import { serialWith } from './helpers/conditions.js';
import { peerProgram } from './integrity/peer.js';
import { runWriteRow, type WriteRow } from './integrity/write-row.js';

type Bounds = Pick<WriteRow, 'capacity' | 'transport' | 'connections' | 'bytes'>;

const ROWS: readonly Bounds[] = [
  // Beyond what the kernel holds, so that each stream has a queue.
  { capacity: 'default', transport: 'tcp', connections: 4, bytes: 6_000_000 },
  { capacity: 'default', transport: 'unix', connections: 8, bytes: 1_000_000 },
  { capacity: 'tiny', transport: 'tcp', connections: 4, bytes: 400_000 },
  { capacity: 'tiny', transport: 'unix', connections: 8, bytes: 200_000 },
];

const ENDINGS = {
  end: 'what was written arrives',
  close: 'a close leaves what the kernel has',
  reset: 'a reset leaves a prefix',
} as const;

for (const peer of ['fast', 'slow'] as const) {
  for (const [ending, fact] of Object.entries(ENDINGS)) {
    const title = `a ${peer} reader, ${ending}: ${fact}, and nothing else`;
    if (peerProgram === null) test.skip(`${title} (needs a C compiler)`, () => {});
    else test.serial(title, checkRows({ peer, ending: ending as WriteRow['ending'] }, ROWS));
  }
}

serialWith('openssl')(
  'over TLS what was written arrives, and nothing else',
  checkRows({ peer: 'slow', ending: 'end' }, [
    { capacity: 'default', transport: 'tls', connections: 2, bytes: 3_000_000 },
    { capacity: 'tiny', transport: 'tls', connections: 2, bytes: 200_000 },
  ]),
);

function checkRows(
  how: Pick<WriteRow, 'peer' | 'ending'>,
  rows: readonly Bounds[],
): (t: ExecutionContext) => Promise<void> {
  return async (t) => {
    for (const row of rows) {
      const { wrong, lost, note } = await runWriteRow({ ...row, ...how });
      t.deepEqual({ wrong, lost, note }, { wrong: 0, lost: 0, note: '' }, JSON.stringify(row));
    }
  };
}
