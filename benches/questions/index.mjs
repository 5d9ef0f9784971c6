// All questions by name.
import { bulk } from './bulk.mjs';
import { callbacks, turns } from './callbacks.mjs';
import { accept, connections, slow } from './connections.mjs';
import { deadlines } from './deadlines.mjs';
import { echo } from './echo.mjs';
import { idle } from './idle.mjs';
import { latency } from './latency.mjs';
import { size } from './package.mjs';
import { http, lines, redis } from './protocols.mjs';
import { proxy } from './proxy.mjs';
import { readiness } from './readiness.mjs';
import { threads } from './threads.mjs';
import { fire, timers } from './timers.mjs';

/** @typedef {import('../lib/run.mjs').Options} Options */
/** @typedef {import('../lib/question.mjs').Question} Question */

/** @type {Record<string, (options: Options) => Question>} */
const questions = {
  echo,
  bulk,
  proxy,
  latency,
  lines,
  redis,
  http,
  accept,
  slow,
  connections,
  timers,
  fire,
  deadlines,
  callbacks,
  turns,
  readiness,
  threads,
  idle,
  package: size,
};

/** The names of all questions. */
export const QUESTIONS = Object.keys(questions);
/** The questions of `--quick`. */
export const QUICK = ['echo', 'lines', 'timers', 'callbacks', 'package'];

/** @param {readonly string[]} names @param {Options} options */
export function questionsOf(names, options) {
  return names.flatMap((name) => questions[name]?.(options) ?? []);
}
