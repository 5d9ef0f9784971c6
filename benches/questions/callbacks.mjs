// How much does a callback cost against setImmediate and a plain array, and an empty turn?
import { atLeast, column, compare, figure } from '../lib/compare.mjs';
import { runProgram } from '../lib/run.mjs';
import { median } from '../lib/statistics.mjs';

/** @typedef {import('../lib/run.mjs').Options} Options */
/** @typedef {import('../lib/run.mjs').Question} Question */

const ARRAY = 'plain array';

/** @param {Options} options @returns {Question} */
export function callbacks({ runtimes }) {
  return {
    name: 'callbacks',
    cases: [
      {
        key: 'callbacks',
        peers: [...runtimes, ARRAY],
        measure: (peer) => runProgram(peer, 'callbacks'),
      },
    ],
    rows: (samples) => {
      const found = samples.get('callbacks');
      const look = { unit: 'ns', ours: 'ioloop', less: true };
      const node = { ...look, peer: 'node', against: 'setImmediate' };
      const array = { ...look, peer: ARRAY, against: 'array, AsyncResource' };
      const batch = 'addCallback, batch of 2·10⁵, each';
      const storage = `${batch}, in an AsyncLocalStorage`;
      return [
        ...compare(found, { ...node, name: batch, value: 'batch', target: atLeast(10, 5) }),
        ...compare(found, { ...array, name: batch, value: 'batch', target: atLeast(10, 0.67) }),
        ...compare(found, { ...node, name: `${batch}, two arguments`, value: 'args' }),
        ...compare(found, { ...node, name: storage, value: 'storage' }),
        ...compare(found, { ...array, name: storage, value: 'storage', target: atLeast(10, 0.67) }),
        ...compare(found, { ...node, name: 'addCallback, chain (a turn each)', value: 'chain' }),
      ];
    },
    plots: (samples) => {
      const peers = [...runtimes, ARRAY];
      return [
        {
          id: 'callbacks',
          title: 'Queue and run a callback, in a batch of 200,000',
          kind: 'bar',
          unit: 'ns',
          categories: peers,
          series: [
            {
              name: 'batch',
              data: peers.map((peer) => median(column(samples.get('callbacks'), peer, 'batch'))),
            },
          ],
        },
      ];
    },
  };
}

/** @returns {Question} */
export function turns() {
  const kinds = ['nothing', 'timer', 'source'];
  return {
    name: 'turns',
    cases: [{ key: 'turns', peers: kinds, measure: (kind) => runProgram(`turn, ${kind}`) }],
    rows: (samples) =>
      kinds.flatMap((kind) =>
        figure(column(samples.get('turns'), kind, 'turn'), {
          name: `turn with ${kind === 'nothing' ? kind : `a ${kind}`} pending`,
          unit: 'ns',
        }),
      ),
  };
}
