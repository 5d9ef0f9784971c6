/**
 * A short run of `npm run test:integrity`: every kind of read, from a sender in another process that
 * keeps the kernel's buffers full, compared byte by byte.
 */
import test, { type ExecutionContext } from 'ava';
import { serialWith } from './helpers/conditions.js';
import { peerProgram } from './integrity/peer.js';
import { runReadRow, type ReadRow } from './integrity/read-row.js';
import { kinds, TLS_KINDS, type Kind } from './integrity/reads.js';

type Bounds = Omit<ReadRow, 'kind' | 'connections'>;

const ROWS: readonly Bounds[] = [
  // More than a turn's budget has to come in one turn, again and again.
  { capacity: 'default', transport: 'tcp', mode: 'bulk', messages: 40_000, maxBytes: 24e6 },
  { capacity: 'default', transport: 'unix', mode: 'mixed', messages: 2000, maxBytes: 2e6 },
  { capacity: 'tiny', transport: 'unix', mode: 'bulk', messages: 3000, maxBytes: 1e6 },
  { capacity: 'tiny', transport: 'tcp', mode: 'mixed', messages: 1000, maxBytes: 200_000 },
];

const URGENT: Bounds = {
  capacity: 'default',
  transport: 'tcp',
  mode: 'urgent',
  messages: 6000,
  maxBytes: 4e6,
};

for (const [name, kind] of Object.entries(kinds)) {
  testRow(`${name}: nothing wrong, nothing lost`, kind, ROWS);
}

for (const name of ['exact, small', 'iteration', 'toDuplex(), data', 'Socket.recv']) {
  const title = `${name}: urgent bytes in between stop nothing`;
  testRow(title, kinds[name] as Kind, [URGENT, { ...URGENT, capacity: 'tiny', maxBytes: 1e6 }]);
}

// node:tls in the other process: what is compared is what was decrypted here.
const TLS: readonly Bounds[] = [
  { capacity: 'default', transport: 'tls', mode: 'bulk', messages: 20_000, maxBytes: 6e6 },
  { capacity: 'tiny', transport: 'tls', mode: 'mixed', messages: 1000, maxBytes: 300_000 },
];

for (const name of TLS_KINDS) {
  const title = `${name}: over TLS nothing wrong, nothing lost`;
  serialWith('openssl')(title, (t) => checkRows(t, kinds[name] as Kind, TLS));
}

function testRow(title: string, kind: Kind, rows: readonly Bounds[]): void {
  if (peerProgram === null) {
    test.skip(`${title} (needs a C compiler)`, () => {});
    return;
  }
  // One after the other: the capacities are the process's.
  test.serial(title, (t) => checkRows(t, kind, rows));
}

async function checkRows(t: ExecutionContext, kind: Kind, rows: readonly Bounds[]): Promise<void> {
  for (const row of rows) {
    const { wrong, lost, note } = await runReadRow({ ...row, kind, connections: 2 });
    t.deepEqual({ wrong, lost, note }, { wrong: 0, lost: 0, note: '' }, JSON.stringify(row));
  }
}
