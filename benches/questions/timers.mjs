// How much does a timer cost, in time and in memory, beside how many others?
import { column, compare, figure } from '../lib/compare.mjs';
import { runWorkload } from '../lib/run.mjs';
import { median } from '../lib/statistics.mjs';

/** @typedef {import('../lib/run.mjs').Options} Options */
/** @typedef {import('../lib/run.mjs').Question} Question */

const MILLION = 1_000_000;
const peers = ['ioloop', 'node'];

/** @param {Options} options @returns {Question} */
export function timers({ quick }) {
  const counts = quick ? [MILLION] : [1000, 10_000, 100_000, MILLION, 10 * MILLION];
  const key = (/** @type {number} */ count) => `timers ${count}`;
  return {
    name: 'timers',
    cases: counts.map((count) => ({
      key: key(count),
      // Ten million timers of Node's need more memory than its heap may have.
      peers: count > MILLION ? ['ioloop'] : peers,
      measure: (peer) => runWorkload('timers.mjs', [peer, String(count)]),
    })),
    rows: (samples) => {
      const found = samples.get(key(MILLION));
      const both = (/** @type {string} */ name) => ({
        ours: column(found, 'ioloop', name),
        peer: column(found, 'node', name),
      });
      const atOnce = (/** @type {number} */ count) =>
        column(samples.get(key(count)), 'ioloop', 'atOnce');
      const row = { unit: 'ns', against: 'node', less: true };
      return [
        ...compare({
          ...row,
          ...both('all'),
          name: 'timers: schedule 10⁶, then cancel all, each',
          target: 10,
        }),
        ...compare({
          ...row,
          ...both('atOnce'),
          name: 'timers: schedule and cancel at once beside 10⁶',
          target: 5,
        }),
        ...compare({
          ...row,
          name: 'timers: the same beside 10⁷',
          against: 'beside 10³',
          ours: atOnce(10 * MILLION),
          peer: atOnce(1000),
          target: 0.67,
        }),
        ...figure({
          name: 'timers: resident memory, each of 10⁶',
          unit: 'B',
          ours: both('bytes').ours,
          atMost: 64,
        }),
      ];
    },
    plots: (samples) => [
      {
        id: 'timers',
        title: 'Schedule and cancel a timer at once, by timers pending',
        kind: 'line',
        unit: 'ns',
        axis: 'pending',
        categories: counts.map(String),
        series: peers.map((peer) => ({
          name: peer,
          data: counts.map((count) => median(column(samples.get(key(count)), peer, 'atOnce'))),
        })),
      },
    ],
  };
}
