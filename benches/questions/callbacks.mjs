// How much does a callback cost against setImmediate, and an empty turn?
import { column, compare, figure } from '../lib/compare.mjs';
import { runWorkload } from '../lib/run.mjs';

/** @typedef {import('../lib/run.mjs').Question} Question */

/** @returns {Question} */
export function callbacks() {
  return {
    name: 'callbacks',
    cases: [
      {
        key: 'callbacks',
        peers: ['ioloop', 'node'],
        measure: (peer) => runWorkload('callbacks.mjs', [peer]),
      },
    ],
    rows: (samples) => {
      const found = samples.get('callbacks');
      const row = (
        /** @type {string} */ name,
        /** @type {string} */ key,
        /** @type {number | undefined} */ target,
      ) =>
        compare({
          name,
          unit: 'ns',
          against: 'setImmediate',
          ours: column(found, 'ioloop', key),
          peer: column(found, 'node', key),
          less: true,
          target,
        });
      return [
        ...row('addCallback, batch of 2·10⁵, each', 'batch', 5),
        ...row('addCallback, chain (a turn each)', 'chain', undefined),
      ];
    },
  };
}

/** @returns {Question} */
export function turns() {
  const kinds = ['nothing', 'timer', 'source'];
  return {
    name: 'turns',
    cases: [{ key: 'turns', peers: kinds, measure: (kind) => runWorkload('turns.mjs', [kind]) }],
    rows: (samples) =>
      kinds.flatMap((kind) =>
        figure({
          name: `turn with ${kind === 'nothing' ? kind : `a ${kind}`} pending`,
          unit: 'ns',
          ours: column(samples.get('turns'), kind, 'turn'),
        }),
      ),
  };
}
