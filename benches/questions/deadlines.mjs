// Deadlines that are put off, beside a million, and their memory.
import { byPeer } from '../lib/question.mjs';
import { runProgram } from '../lib/run.mjs';
import { atMost, timesBetter } from '../lib/targets.mjs';

/** @typedef {import('../lib/run.mjs').Options} Options */
/** @typedef {import('../lib/question.mjs').Question} Question */

const KEY = 'deadlines, 1,000,000';
/** Runtimes whose timeouts have `refresh()`. */
const REFRESHING = new Set(['node', 'Bun']);
/** By handles, and by keys. */
const OURS = ['DeadlineQueue', 'DeadlineSet'];
/** Timeouts that a Map has by their keys. */
const BY_KEYS = 'node by keys';
const ORDERS = /** @type {const} */ ({ touch: 'in order', touchAnywhere: 'anywhere' });
const LOOK_UPS = /** @type {const} */ ({ lookUp: 'in order', lookUpAnywhere: 'anywhere' });

/** @param {Options} options @returns {Question} */
export function deadlines({ quick, runtimes }) {
  const others = [
    ...runtimes.filter((name) => REFRESHING.has(name)),
    BY_KEYS,
    ...(quick ? [] : ['ttlcache']),
  ];
  const peers = [...OURS, ...others];
  const ours = { of: KEY, unit: 'ns', less: true, against: others };
  const memory = { of: KEY, unit: 'B', value: 'bytes', target: atMost(32, 8) };
  return {
    name: 'deadlines',
    cases: [{ key: KEY, peers, measure: (name) => runProgram(name, 'deadlines') }],
    rows: [
      ...OURS.flatMap((peer) =>
        Object.entries(ORDERS).map(([value, order]) => ({
          ...ours,
          peer,
          value,
          name: `${peer}: touch beside 10⁶, ${order}`,
          targets: { node: timesBetter(20, 8) },
        })),
      ),
      { ...ours, peer: 'DeadlineQueue', name: 'DeadlineQueue: add', value: 'add' },
      { ...ours, peer: 'DeadlineQueue', name: 'DeadlineQueue: delete', value: 'remove' },
      { ...ours, peer: 'DeadlineSet', name: 'DeadlineSet: set', value: 'add' },
      ...Object.entries(LOOK_UPS).map(([value, order]) => ({
        of: KEY,
        unit: 'ns',
        peer: 'DeadlineSet',
        value,
        name: `a bare Map.get of these keys, ${order}`,
      })),
      {
        ...memory,
        peer: 'DeadlineQueue',
        name: 'DeadlineQueue: memory of each, without its reference',
      },
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
        best: 'least',
        of: KEY,
        categories: byPeer(peers),
        series: Object.entries(ORDERS).map(([value, order]) => [order, { value }]),
      },
    ],
  };
}
