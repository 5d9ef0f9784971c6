// The benchmarks: each question once, as a table of ratios.
//
//   npm run bench                       everything
//   npm run bench -- --only timers      one question
//   npm run bench -- --repetitions 9 --seconds 3
import { parseArgs } from 'node:util';
import { callbacks, turns } from './questions/callbacks.mjs';
import { connections } from './questions/connections.mjs';
import { bulk, echo, latency } from './questions/echo.mjs';
import { idle } from './questions/idle.mjs';
import { lines, redis } from './questions/protocols.mjs';
import { timers } from './questions/timers.mjs';
import { head, line } from './lib/table.mjs';

const streams = { echo, bulk, latency, lines, redis, connections };
const questions = { timers, callbacks, turns, idle, ...streams };

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    repetitions: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '2' },
  },
});
const options = { repetitions: Number(values.repetitions), seconds: Number(values.seconds) };
const selected = values.only === undefined ? Object.keys(questions) : values.only.split(',');
const unknown = selected.filter((name) => !(name in questions));
if (unknown.length > 0) {
  console.error(
    `--only knows ${Object.keys(questions).join(', ')}, and not ${unknown.join(', ')}.`,
  );
  process.exit(1);
}

console.log(
  `Node ${process.versions.node}, ${options.repetitions} interleaved repetitions, medians\n`,
);
console.log(head());
for (const name of selected) {
  for (const row of await questions[name](options)) console.log(line(row));
}
