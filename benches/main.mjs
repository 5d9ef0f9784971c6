// The benchmarks: each question with its peers, as a table of ratios and a report.
//
//   npm run bench                        everything, at least five interleaved repetitions
//   npm run bench -- --quick             a first look, within 90 s
//   npm run bench -- --only echo,timers  some of the questions
//   npm run bench -- --peers tokio,Bun   who else than ours, Node and bare epoll
//   npm run bench -- --out DIR           where the report goes
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Presets, SingleBar } from 'cli-progress';
import { column } from './lib/compare.mjs';
import { ECHO_PEERS, prepare, programOf, RUNTIMES, SINGLE } from './lib/peers.mjs';
import { interleave } from './lib/run.mjs';
import { median } from './lib/statistics.mjs';
import { head, line } from './lib/table.mjs';
import { bulk } from './questions/bulk.mjs';
import { callbacks, turns } from './questions/callbacks.mjs';
import { accept, connections, slow } from './questions/connections.mjs';
import { echo } from './questions/echo.mjs';
import { idle } from './questions/idle.mjs';
import { latency } from './questions/latency.mjs';
import { size } from './questions/package.mjs';
import { http, lines, redis } from './questions/protocols.mjs';
import { readiness } from './questions/readiness.mjs';
import { fire, timers } from './questions/timers.mjs';
import { root } from '../scripts/lib/process.mjs';
import { writeReport } from './report/report.mjs';

const questions = {
  echo,
  bulk,
  latency,
  lines,
  redis,
  http,
  accept,
  slow,
  connections,
  timers,
  fire,
  callbacks,
  turns,
  readiness,
  idle,
  package: size,
};
/** What a first look asks. */
const QUICK = ['echo', 'lines', 'timers', 'callbacks', 'package'];
/** Part of the time that the load generator may have work. */
const AT_LIMIT = 0.9;
/** Who is measured in any case. */
const ALWAYS = ['streams', 'handlers', 'node:net', 'bare epoll'];
const ALWAYS_RUN = ['ioloop', 'node'];

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    peers: { type: 'string' },
    out: { type: 'string', default: join(root, 'artifacts', 'benchmarks') },
    repetitions: { type: 'string' },
    seconds: { type: 'string' },
  },
});
const { quick } = values;
const names = among(
  'only',
  values.only,
  Object.keys(questions),
  quick ? QUICK : Object.keys(questions),
);
const wanted = among(
  'peers',
  values.peers,
  [...new Set([...ECHO_PEERS, ...RUNTIMES])],
  quick ? [] : [...ECHO_PEERS, ...RUNTIMES],
);

console.log('Getting the peers ready …');
const servers = prepare(ECHO_PEERS.filter(isWanted(ALWAYS)));
const runtimes = prepare(RUNTIMES.filter(isWanted(ALWAYS_RUN)), (name) => {
  programOf(name, 'timers');
  programOf(name, 'callbacks');
});
const others = prepare(SINGLE, programOf);
const missing = new Map([...servers.missing, ...runtimes.missing, ...others.missing]);
for (const [name, reason] of missing) console.log(`${name} is left out: ${reason}`);

const options = {
  quick,
  repetitions: Number(values.repetitions ?? (quick ? 3 : 5)),
  seconds: Number(values.seconds ?? (quick ? 0.4 : 1.5)),
  peers: servers.ready,
  runtimes: runtimes.ready,
  others: others.ready,
};
const asked = names
  .map((name) => /** @type {Record<string, typeof echo>} */ (questions)[name]?.(options))
  .filter((item) => item !== undefined);
const steps = asked.flatMap(({ cases }) => cases).reduce((sum, { peers }) => sum + peers.length, 0);

const bar = new SingleBar(
  {
    format: '{bar} {value}/{total} {what}, {eta_formatted} left',
    clearOnComplete: true,
    hideCursor: true,
  },
  Presets.rect,
);
// Ctrl-C: what was started is stopped by the handlers of `exit`.
process.on('SIGINT', () => {
  bar.stop();
  process.exit(130);
});
process.on('SIGTERM', () => process.exit(143));

bar.start(steps * options.repetitions, 0, { what: '' });
/** What lost something, and what it was. @type {string[]} */
const failures = [];
/** @type {import('./report/report.mjs').Answer[]} */
const answers = [];
for (const question of asked) {
  /** @type {Map<string, import('./lib/run.mjs').Samples>} */
  const samples = new Map();
  for (const item of question.cases) {
    bar.update({ what: item.key });
    const found = await interleave(item, options.repetitions, (failed) => {
      bar.increment();
      if (failed !== undefined) failures.push(`${item.key}, ${failed.peer}: ${failed.reason}`);
    });
    samples.set(item.key, found);
  }
  answers.push({ question, samples });
}
bar.stop();

console.log(
  `Node ${process.versions.node}, ${options.repetitions} interleaved repetitions, medians\n`,
);
console.log(head());
for (const { question, samples } of answers) {
  for (const row of question.rows(samples)) console.log(line(row));
}
const limited = answers.flatMap(({ samples }) =>
  [...samples].flatMap(([key, found]) => atLimit(key, found)),
);
if (limited.length > 0) console.log(`\nthe load generator was at its limit: ${limited.join('; ')}`);
for (const failure of failures) console.log(`\nno figure of ${failure}`);
if (failures.length > 0) process.exitCode = 1;
const files = writeReport(values.out, { answers, options, missing });
console.log(`\nreport: ${files.join(', ')}`);

/** @param {readonly string[]} always @returns {(name: string) => boolean} */
function isWanted(always) {
  return (name) => always.includes(name) || wanted.includes(name);
}

/**
 * Where the generator was busy all the time, a faster server would not have shown.
 * @param {string} key @param {import('./lib/run.mjs').Samples} samples
 */
function atLimit(key, samples) {
  return [...samples.keys()]
    .filter((peer) => median(column(samples, peer, 'busy')) > AT_LIMIT)
    .map((peer) => `${key}, ${peer}`);
}

/**
 * A list on the command line. @param {string} option @param {string | undefined} value
 * @param {readonly string[]} known @param {readonly string[]} otherwise
 */
function among(option, value, known, otherwise) {
  if (value === undefined) return otherwise;
  const list = value.split(',');
  const unknown = list.filter((name) => !known.includes(name));
  if (unknown.length === 0) return list;
  console.error(`--${option} knows ${known.join(', ')}, and not ${unknown.join(', ')}.`);
  process.exit(1);
}
