// The benchmarks: each question with its peers, a report, and the table of the targets.
//
//   npm run bench                        all questions, five interleaved repetitions: an hour
//   npm run bench -- --quick             a first look, within 90 s
//   npm run bench -- --targets           the targets and what the README shows, within 35 minutes
//   npm run bench -- --only echo,timers  some of the questions
//   npm run bench -- --peers tokio,Bun   peers besides ours, Node and bare epoll
//   npm run bench -- --minutes 20        ends then, with what it has measured
//   npm run bench -- --resume            goes on with the run that has written the report
//   npm run bench -- --from FILE         the report of earlier results (results.json)
//   npm run bench -- --write             replaces docs/benchmarks and the figures of the README
//   npm run bench -- --out DIR           the folder of the report
//
// Ctrl-C ends a run with what it has measured, and again without a report.
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Hint, root, script } from '../scripts/lib/process.mjs';
import { atLimit } from './lib/compare.mjs';
import { userTimeBy } from './lib/cpu.mjs';
import { measure } from './lib/measure.mjs';
import { PEERS, planOf, TARGET_PEERS } from './lib/plan.mjs';
import { rowsOf } from './lib/question.mjs';
import { columns, figuresTable, targetsTable } from './lib/table.mjs';
import { QUESTIONS, QUICK } from './questions/index.mjs';
import { machine, versionsOf } from './report/machine.mjs';
import { publish } from './report/publish.mjs';
import { writeReport } from './report/report.mjs';
import { readResults, repetitionsOf, writeResults } from './report/results.mjs';

/** @typedef {import('./lib/plan.mjs').Settings} Settings */
/** @typedef {import('./report/results.mjs').Results} Results */

/** How long `--targets` takes at most. */
const TARGET_MINUTES = 35;

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    targets: { type: 'boolean', default: false },
    only: { type: 'string' },
    peers: { type: 'string' },
    minutes: { type: 'string' },
    resume: { type: 'boolean', default: false },
    from: { type: 'string' },
    write: { type: 'boolean', default: false },
    out: { type: 'string', default: join(root, 'artifacts', 'benchmarks') },
    repetitions: { type: 'string' },
    seconds: { type: 'string' },
  },
});
const json = join(values.out, 'results.json');

await script(async () => {
  const results = values.from === undefined ? await run() : readResults(values.from);
  show(results);
  const files = writeReport(values.out, results);
  if (values.write) files.push(...(await publish(results)));
  console.log(`\nreport: ${files.join(', ')}`);
  if (results.about.failures.length > 0) process.exitCode = 1;
});
// A listener of signals or a process that is being killed must not keep the harness running.
process.exit();

/** @returns {Promise<Results>} */
async function run() {
  const earlier = values.resume ? readResults(json) : null;
  const settings =
    earlier === null ? settingsOf() : { ...earlier.about, ...lengthOf(earlier.about) };
  const signal = endOf(settings);
  console.log('Preparing the peers …');
  const { questions, missing } = planOf(settings);
  for (const [name, reason] of Object.entries(missing))
    console.log(`${name} is left out: ${reason}`);
  const answers = questions.map((question) => ({
    question,
    samples: samplesOf(earlier, question.name),
  }));
  const about = aboutOf(settings, questions, missing);
  const { failures, minutes } = await measure(answers, settings.repetitions, {
    signal,
    onRound: () => writeResults(json, { answers, about }),
  });
  const failed = [...failures].map(([name, reason]) => `${name}: ${reason}`);
  const spent = [...minutes].map(([name, each]) => `${name} ${each.toFixed(1)}`);
  console.log(`Minutes: ${spent.join(', ')}.\n`);
  return { answers, about: { ...about, failures: failed } };
}

/** The settings of the command line. @returns {Settings} */
function settingsOf() {
  const { quick, targets } = values;
  const names = among('only', values.only, QUESTIONS, quick && !targets ? QUICK : QUESTIONS);
  const usual = targets ? TARGET_PEERS : quick ? [] : PEERS;
  const wanted = among('peers', values.peers, PEERS, usual);
  const usually = { repetitions: quick ? 3 : targets ? 6 : 5, seconds: quick ? 0.4 : 1.5 };
  return { names, wanted, quick, targets, ...lengthOf(usually) };
}

/** @param {{ repetitions: number, seconds: number }} usual */
function lengthOf({ repetitions, seconds }) {
  return {
    repetitions: Math.ceil(above0('repetitions', values.repetitions, repetitions)),
    seconds: above0('seconds', values.seconds, seconds),
  };
}

/** Aborted at the end of the time, and by a signal. @param {Settings} settings */
function endOf({ targets }) {
  const end = new AbortController();
  const minutes = above0('minutes', values.minutes, targets ? TARGET_MINUTES : Infinity);
  if (minutes !== Infinity) setTimeout(() => end.abort(), minutes * 60_000).unref();
  for (const [signal, code] of /** @type {const} */ ([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ])) {
    process.on(signal, () => (end.signal.aborted ? process.exit(code) : end.abort()));
  }
  // `npm run bench` is killed.
  process.on('disconnect', () => process.exit(1));
  process.channel?.unref();
  return end.signal;
}

/** @param {Results | null} earlier @param {string} name */
function samplesOf(earlier, name) {
  return earlier?.answers.find(({ question }) => question.name === name)?.samples ?? new Map();
}

/**
 * @param {Settings} settings @param {readonly import('./lib/question.mjs').Question[]} questions
 * @param {Record<string, string>} missing
 */
function aboutOf({ names, wanted, quick, targets, repetitions, seconds }, questions, missing) {
  const peers = questions.flatMap(({ cases }) => cases.flatMap((item) => item.peers));
  return {
    ...machine(),
    names,
    wanted,
    quick,
    targets,
    repetitions,
    seconds,
    userTime: userTimeBy(),
    versions: versionsOf([...new Set(peers)]),
    missing,
    failures: [],
  };
}

/** All figures, and at the end the targets. @param {Results} results */
function show({ answers, about }) {
  const rows = answers.flatMap(({ question, samples }) => rowsOf(question, samples));
  console.log(`${figuresTable(rows, columns)}\n`);
  const limited = answers.flatMap(({ samples }) => atLimit(samples));
  if (limited.length > 0)
    console.log(`The load generator was at its limit: ${limited.join('; ')}.\n`);
  for (const failure of about.failures) console.log(`No figure of ${failure}.\n`);
  console.log(`Node ${about.node}, interleaved repetitions: ${repetitionsOf(answers)}\n`);
  console.log(targetsTable(rows, columns));
}

/**
 * A number of the command line. @param {string} option @param {string | undefined} value
 * @param {number} otherwise
 */
function above0(option, value, otherwise) {
  const number = value === undefined ? otherwise : Number(value);
  if (number > 0) return number;
  throw new Hint(`--${option} has to be a number above 0, and is ${value}.`);
}

/**
 * A list of the command line. @param {string} option @param {string | undefined} value
 * @param {readonly string[]} known @param {readonly string[]} otherwise
 */
function among(option, value, known, otherwise) {
  if (value === undefined) return otherwise;
  const list = value.split(',');
  const unknown = list.filter((name) => !known.includes(name));
  if (unknown.length === 0) return list;
  throw new Hint(`--${option} takes ${known.join(', ')}, and not ${unknown.join(', ')}.`);
}
