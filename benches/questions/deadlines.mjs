// Deadlines that are put off, beside a million, and their memory.
import { atLeast, atMost } from '../lib/compare.mjs';
import { byPeer } from '../lib/question.mjs';
import { runProgram } from '../lib/run.mjs';

/** @typedef {import('../lib/run.mjs').Options} Options */
/** @typedef {import('../lib/question.mjs').Question} Question */

const KEY = 'deadlines, 1,000,000';
/** Runtimes whose timeouts have `refresh()`. */
const REFRESHING = new Set(['ioloop', 'node', 'Bun']);

/** @param {Options} options @returns {Question} */
export function deadlines({ quick, runtimes }) {
  const peers = [
    ...runtimes.filter((name) => REFRESHING.has(name)),
    'DeadlineSet',
    ...(quick ? [] : ['ttlcache']),
  ];
  const queue = { of: KEY, peer: 'ioloop', unit: 'ns', less: true };
  const set = { ...queue, peer: 'DeadlineSet' };
  const others = peers.filter((name) => name !== 'ioloop' && name !== 'DeadlineSet');
  const memory = { of: KEY, unit: 'B', value: 'bytes', target: atMost(8, 32) };
  return {
    name: 'deadlines',
    cases: [{ key: KEY, peers, measure: (name) => runProgram(name, 'deadlines') }],
    rows: [
      {
        ...queue,
        name: 'DeadlineQueue: touch beside 10⁶, in order',
        value: 'touch',
        against: others,
        targets: { node: atLeast(8, 20) },
      },
      {
        ...queue,
        name: 'DeadlineQueue: touch beside 10⁶, anywhere',
        value: 'touchAnywhere',
        against: others,
        targets: { node: atLeast(8, 20) },
      },
      { ...set, name: 'DeadlineSet: touch beside 10⁶, in order', value: 'touch', against: others },
      {
        ...set,
        name: 'DeadlineSet: touch beside 10⁶, anywhere',
        value: 'touchAnywhere',
        against: others,
      },
      { ...queue, name: 'DeadlineQueue: add', value: 'add', against: others },
      { ...queue, name: 'DeadlineQueue: delete', value: 'remove', against: others },
      { ...set, name: 'DeadlineSet: set', value: 'add', against: others },
      { ...memory, peer: 'ioloop', name: 'DeadlineQueue: memory of each, without its reference' },
      {
        ...memory,
        peer: 'DeadlineSet',
        name: 'DeadlineSet: memory of each, without its place in a Map',
      },
    ],
    plots: [
      {
        id: 'deadlines',
        title: 'Put a deadline off, beside 10⁶',
        kind: 'bar',
        unit: 'ns',
        stacked: false,
        of: KEY,
        categories: byPeer(peers),
        series: [
          ['in order', { value: 'touch' }],
          ['anywhere', { value: 'touchAnywhere' }],
        ],
      },
    ],
  };
}
