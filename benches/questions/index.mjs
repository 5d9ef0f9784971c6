// All questions by name, and who they ask.
import { bulk } from './bulk.mjs';
import { callbacks, turns } from './callbacks.mjs';
import { accept, connections, slow } from './connections.mjs';
import { echo } from './echo.mjs';
import { idle } from './idle.mjs';
import { latency } from './latency.mjs';
import { size } from './package.mjs';
import { http, lines, redis } from './protocols.mjs';
import { readiness } from './readiness.mjs';
import { fire, timers } from './timers.mjs';

/** @typedef {import('../lib/run.mjs').Options} Options */
/** @typedef {import('../lib/run.mjs').Question} Question */

/** @type {Record<string, (options: Options) => Question>} */
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

/** The names of all. */
export const QUESTIONS = Object.keys(questions);
/** What a first look asks. */
export const QUICK = ['echo', 'lines', 'timers', 'callbacks', 'package'];
/** Those that ask every echo server or runtime there is; the others name whom they ask. */
export const ASK_SERVERS = ['echo', 'latency', 'connections'];
export const ASK_RUNTIMES = ['timers', 'fire', 'callbacks'];

/** @param {readonly string[]} names @param {Options} options */
export function questionsOf(names, options) {
  return names.flatMap((name) => questions[name]?.(options) ?? []);
}
