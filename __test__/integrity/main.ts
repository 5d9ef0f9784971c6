/**
 * `npm run test:integrity`: every kind of read from a sender in another process, and writes to a
 * reader in another process, compared byte by byte. One line per row; the last line is
 * `N passed, N failed`.
 */
import { parseArgs } from 'node:util';
import type { Transport } from './connection.js';
import type { Mode } from './peer.js';
import { runReadRow } from './read-row.js';
import { kinds, TLS_KINDS } from './reads.js';
import type { Capacity, Outcome } from './row.js';
import { runWriteRow, type WriteRow } from './write-row.js';

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '1000000' },
    megabytes: { type: 'string', default: '' },
    capacities: { type: 'string', default: 'both' },
    transports: { type: 'string', default: 'tcp,unix,tls' },
    modes: { type: 'string', default: 'bulk,mixed,urgent' },
    connections: { type: 'string', default: '4' },
    only: { type: 'string', default: '' },
  },
});

const capacities = values.capacities === 'both' ? ['default', 'tiny'] : [values.capacities];
/** At tiny capacities a turn reads 64 bytes: a gigabyte would be hours of turns. */
const MEGABYTES: Readonly<Record<string, number>> = { default: 2000, tiny: 100 };

/** A message of up to so many bytes crosses every tiny capacity, and a million of them take minutes. */
const TINY_MESSAGE = 160;
const LARGE_MESSAGE = 64 * 1024;

const WRITES: readonly Pick<WriteRow, 'peer' | 'ending' | 'connections'>[] = [
  { peer: 'fast', ending: 'end', connections: 4 },
  { peer: 'slow', ending: 'end', connections: 8 },
  { peer: 'fast', ending: 'close', connections: 100 },
  { peer: 'slow', ending: 'close', connections: 100 },
  { peer: 'fast', ending: 'reset', connections: 100 },
  { peer: 'slow', ending: 'reset', connections: 100 },
];

let passed = 0;
let failed = 0;
for (const capacity of capacities) {
  for (const transport of values.transports.split(',')) {
    for (const mode of values.modes.split(',')) {
      // Unix sockets have no urgent bytes that all kernels know, and TLS has none.
      if (transport === 'tcp' || mode !== 'urgent') await runTable(capacity, transport, mode);
    }
    await runWrites(capacity, transport);
  }
}
console.log(`\n${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);

async function runTable(capacity: string, transport: string, mode: string): Promise<void> {
  const driver = process.env['IOLOOP_DRIVER'] ?? 'libuv';
  console.log(`\n--- ${driver} driver, ${capacity} capacities, ${transport}, ${mode}`);
  console.log(line('', 'messages', 'MB', 'MB/s', 'wrong', 'lost'));
  for (const [name, kind] of Object.entries(kinds)) {
    if (!name.includes(values.only)) continue;
    if (transport === 'tls' && !TLS_KINDS.has(name)) continue;
    // The sender of urgent bytes waits for an answer to them: a read until EOF has none to give.
    if (mode === 'urgent' && kind.most !== undefined) continue;
    const megabytes = Number(values.megabytes || MEGABYTES[capacity]);
    const outcome = await runReadRow({
      kind: capacity === 'tiny' && kind.max < LARGE_MESSAGE ? { ...kind, max: TINY_MESSAGE } : kind,
      capacity: capacity as Capacity,
      transport: transport as Transport,
      mode: mode as Mode,
      messages: Number(values.messages),
      // Pauses are what takes the time of a mixed row.
      maxBytes: (mode === 'bulk' ? megabytes : megabytes / 4) * 1e6,
      connections: Number(values.connections),
    });
    show(name, outcome);
  }
}

async function runWrites(capacity: string, transport: string): Promise<void> {
  const driver = process.env['IOLOOP_DRIVER'] ?? 'libuv';
  console.log(`\n--- ${driver} driver, ${capacity} capacities, ${transport}, writes`);
  console.log(line('', 'writes', 'MB', 'MB/s', 'wrong', 'lost'));
  const megabytes = Number(values.megabytes || (capacity === 'tiny' ? 40 : 400));
  for (const row of WRITES) {
    const name = `${row.peer} reader, ${row.ending}, ${row.connections} conn.`;
    if (!`writes ${name}`.includes(values.only)) continue;
    // A close or a reset may cut a record: less arrives than was sent.
    if (transport === 'tls' && row.ending !== 'end') continue;
    const bytes = (row.peer === 'slow' ? 0.25 : 1) * ((megabytes * 1e6) / row.connections);
    const outcome = await runWriteRow({
      ...row,
      bytes: Math.ceil(bytes),
      capacity: capacity as Capacity,
      transport: transport as Transport,
    });
    show(name, outcome);
  }
}

function show(name: string, { messages, bytes, seconds, wrong, lost, note }: Outcome): void {
  const isRight = wrong === 0 && lost === 0 && note === '';
  if (isRight) passed += 1;
  else failed += 1;
  const megabytes = bytes / 1e6;
  const numbers = [messages, megabytes.toFixed(1), (megabytes / seconds).toFixed(0), wrong, lost];
  console.log(line(name, ...numbers.map(String)) + (isRight ? '' : `   WRONG ${note}`));
}

function line(name: string, ...numbers: string[]): string {
  return name.padEnd(32) + numbers.map((text) => text.padStart(10)).join('');
}
