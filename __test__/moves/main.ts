/**
 * `npm run test:moves`: a connection moves between threads while its peer, in another process, sends
 * and compares its echo. One line per row; the last line is `N passed, N failed`.
 */
import { parseArgs } from 'node:util';
import { runRow, type Outcome, type Row } from './row.js';

const { values } = parseArgs({
  options: {
    moves: { type: 'string', default: '100000' },
    threads: { type: 'string', default: '3' },
    transports: { type: 'string', default: 'tcp,unix' },
    capacities: { type: 'string', default: 'both' },
  },
});

const driver = process.env['IOLOOP_DRIVER'] ?? 'libuv';
const capacities = values.capacities === 'both' ? ['default', 'tiny'] : [values.capacities];

let passed = 0;
let failed = 0;
// The first row opens what stays open, such as the libuv handle of this thread.
await runRow({ transport: 'tcp', threads: 1, tiny: false, moves: 10 });
console.log(
  line(`--- ${driver} driver`, 'moves', 'moves/s', 'with unread', 'unread kB', 'MB', 's'),
);
for (const capacity of capacities) {
  for (const transport of values.transports.split(',')) {
    const row: Row = {
      transport: transport as Row['transport'],
      threads: Number(values.threads),
      tiny: capacity === 'tiny',
      moves: Number(values.moves),
    };
    const name = `${capacity} capacities, ${transport}`;
    try {
      show(name, row, await runRow(row));
    } catch (error) {
      failed += 1;
      console.log(`${name}   FAILED ${String(error)}`);
    }
  }
}
console.log(`\n${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);

function show(name: string, row: Row, outcome: Outcome): void {
  const { seconds, bytes, loaded, unread, note } = outcome;
  if (note === '') passed += 1;
  else failed += 1;
  const rate = (row.moves / seconds).toFixed(0);
  const numbers = [row.moves, rate, loaded, (unread / 1e3).toFixed(0), (bytes / 1e6).toFixed(1)];
  const text = line(name, ...numbers.map(String), seconds.toFixed(1));
  console.log(note === '' ? text : `${text}   WRONG ${note}`);
}

function line(name: string, ...numbers: string[]): string {
  return name.padEnd(28) + numbers.map((text) => text.padStart(12)).join('');
}
