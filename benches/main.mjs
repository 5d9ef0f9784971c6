// The benchmarks: each question with its peers, as a table of ratios and a report.
//
//   npm run bench                        all questions, five interleaved repetitions: 45 minutes
//   npm run bench -- --quick             a first look, within 90 s
//   npm run bench -- --only echo,timers  some of the questions
//   npm run bench -- --peers tokio,Bun   peers besides ours, Node and bare epoll
//   npm run bench -- --out DIR           the folder of the report
//   npm run bench -- --from FILE         the report of earlier results (results.json)
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { atLimit } from './lib/compare.mjs';
import { measure } from './lib/measure.mjs';
import { rowsOf } from './lib/question.mjs';
import { head, line } from './lib/table.mjs';
import { getReady, PEERS } from './lib/who.mjs';
import { QUESTIONS, questionsOf, QUICK } from './questions/index.mjs';
import { about, readResults, writeReport } from './report/report.mjs';
import { root } from '../scripts/lib/process.mjs';

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    peers: { type: 'string' },
    out: { type: 'string', default: join(root, 'artifacts', 'benchmarks') },
    from: { type: 'string' },
    repetitions: { type: 'string' },
    seconds: { type: 'string' },
  },
});

const results = values.from === undefined ? await ask() : readResults(values.from);
const { answers } = results;
console.log(`Node ${results.about.node}, ${results.about.repetitions} interleaved repetitions\n`);
console.log(head());
for (const { question, samples } of answers) {
  for (const row of rowsOf(question, samples)) console.log(line(row));
}
const limited = answers.flatMap(({ samples }) => atLimit(samples));
if (limited.length > 0) console.log(`\nthe load generator was at its limit: ${limited.join('; ')}`);
for (const failure of results.about.failures) console.log(`\nno figure of ${failure}`);
if (results.about.failures.length > 0) process.exitCode = 1;
console.log(`\nreport: ${writeReport(values.out, results).join(', ')}`);

async function ask() {
  const { quick } = values;
  const names = among('only', values.only, QUESTIONS, quick ? QUICK : QUESTIONS);
  const wanted = among('peers', values.peers, PEERS, quick ? [] : PEERS);
  console.log('Preparing the peers …');
  const { missing, ...ready } = getReady(names, wanted);
  for (const [name, reason] of Object.entries(missing))
    console.log(`${name} is left out: ${reason}`);
  const options = {
    quick,
    repetitions: Math.ceil(above0('repetitions', values.repetitions, quick ? 3 : 5)),
    seconds: above0('seconds', values.seconds, quick ? 0.4 : 1.5),
    ...ready,
  };
  const found = await measure(questionsOf(names, options), options.repetitions);
  return {
    answers: found.answers,
    about: about({ ...options, missing, failures: found.failures }),
  };
}

/**
 * A number of the command line. @param {string} option @param {string | undefined} value
 * @param {number} otherwise
 */
function above0(option, value, otherwise) {
  const number = value === undefined ? otherwise : Number(value);
  if (Number.isFinite(number) && number > 0) return number;
  console.error(`--${option} has to be a number above 0, and is ${value}.`);
  process.exit(1);
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
  console.error(`--${option} takes ${known.join(', ')}, and not ${unknown.join(', ')}.`);
  process.exit(1);
}
