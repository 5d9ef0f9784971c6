// What a run measures: the cases of its questions, with the peers that are wanted and available.
import { questionsOf } from '../questions/index.mjs';
import { CELLS, PLOTS, ROWS } from '../report/short.mjs';
import { ECHO_PEERS, prepare, RUNTIMES, WATCHERS } from './peers.mjs';
import { cellsOf } from './question.mjs';

/** @typedef {import('./question.mjs').Question} Question */
/** @typedef {import('./run.mjs').Case} Case */
/**
 * `names` are those of the questions, `wanted` the peers besides ours, Node and bare epoll. With
 * `targets`, only what the table of the targets and the README show is measured.
 * @typedef {{
 *   names: readonly string[], wanted: readonly string[], quick: boolean, targets: boolean,
 *   repetitions: number, seconds: number,
 * }} Settings
 */

/** Peers that are always measured. */
const ALWAYS = new Set([
  'protocol',
  'streams',
  'handlers',
  'batched handlers',
  'node:net',
  'bare epoll',
  'ioloop',
  'node',
]);
/** Peers that can be named on the command line. */
export const PEERS = [...new Set([...ECHO_PEERS, ...RUNTIMES])];
/** The peers of the targets. */
export const TARGET_PEERS = ['streams 24', 'node:net 24', 'Bun.listen', 'Bun'];

/** The options of the questions. @param {Settings} settings */
export function optionsOf({ wanted, quick, repetitions, seconds }) {
  const isMeasured = (/** @type {string} */ peer) => ALWAYS.has(peer) || wanted.includes(peer);
  return {
    quick,
    repetitions,
    seconds,
    peers: ECHO_PEERS.filter(isMeasured),
    runtimes: RUNTIMES.filter(isMeasured),
    watchers: WATCHERS,
  };
}

/**
 * The questions, and the reasons for which peers are left out. Builds and fetches the others.
 * @param {Settings} settings
 * @returns {{ questions: Question[], missing: Record<string, string> }}
 */
export function planOf(settings) {
  const options = optionsOf(settings);
  const isMeasured = (/** @type {string} */ peer) =>
    !PEERS.includes(peer) || options.peers.includes(peer) || options.runtimes.includes(peer);
  const asked = questionsOf(settings.names, options)
    .map((question) => (settings.targets ? ofTargets(question) : question))
    .map((question) => withPeers(question, (_, peer) => isMeasured(peer)));
  const used = asked.flatMap(({ cases }) => cases.flatMap(({ peers }) => peers));
  const missing = prepare([...new Set(used)]);
  const questions = asked.map((question) => withPeers(question, (_, peer) => !missing.has(peer)));
  return { questions, missing: Object.fromEntries(missing) };
}

/** The cases that the table of the targets and the README need. @param {Question} question @returns {Question} */
export function ofTargets(question) {
  const { name, rows, plots = [] } = question;
  const cells = [
    ...CELLS.filter((cell) => cell.question === name),
    ...rows.flatMap((spec) =>
      cellsOf(spec, (label, target) => target?.number != null || isShown(spec.name, label)),
    ),
    ...plots
      .filter(({ id }) => PLOTS.includes(id))
      .flatMap(({ categories, series, ...base }) =>
        categories.flatMap(([, one]) => series.map(([, part]) => ({ ...base, ...one, ...part }))),
      ),
  ];
  const found = new Set(cells.map(({ of, peer }) => `${of}\n${peer}`));
  return withPeers(question, (key, peer) => found.has(`${key}\n${peer}`));
}

/** @param {string} name @param {string} label */
function isShown(name, label) {
  return ROWS.some(([, row, ...labels]) => row === name && labels.includes(label));
}

/**
 * @param {Question} question @param {(key: string, peer: string) => boolean} isWanted
 * @returns {Question}
 */
function withPeers(question, isWanted) {
  const cases = question.cases
    .map((item) => ({ ...item, peers: item.peers.filter((peer) => isWanted(item.key, peer)) }))
    .filter(({ peers }) => peers.length > 0);
  return { ...question, cases };
}
