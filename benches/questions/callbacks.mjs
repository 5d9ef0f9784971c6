// The cost of a callback, against setImmediate and a plain array; the cost of a turn.
import { byPeer } from '../lib/question.mjs';
import { runProgram } from '../lib/run.mjs';
import { timesBetter } from '../lib/targets.mjs';

/** @typedef {import('../lib/run.mjs').Options} Options */
/** @typedef {import('../lib/question.mjs').Question} Question */

const ARRAY = 'plain array';
const NODE = { setImmediate: 'node' };
const BOTH = { ...NODE, 'array, AsyncResource': ARRAY };

/** @param {Options} options @returns {Question} */
export function callbacks({ runtimes }) {
  const peers = [...runtimes, ARRAY];
  const batch = 'addCallback, batch of 2·10⁵, each';
  const ours = { of: 'callbacks', peer: 'ioloop', unit: 'ns', less: true };
  const array = { 'array, AsyncResource': timesBetter(0.67) };
  return {
    name: 'callbacks',
    cases: [{ key: 'callbacks', peers, measure: (peer) => runProgram(peer, 'callbacks') }],
    rows: [
      {
        ...ours,
        name: batch,
        value: 'batch',
        against: BOTH,
        targets: { setImmediate: timesBetter(5), ...array },
      },
      { ...ours, name: `${batch}, two arguments`, value: 'args', against: NODE },
      {
        ...ours,
        name: `${batch}, in an AsyncLocalStorage`,
        value: 'storage',
        against: BOTH,
        targets: array,
      },
      { ...ours, name: 'addCallback, chain (a turn each)', value: 'chain', against: NODE },
    ],
    plots: [
      {
        id: 'callbacks',
        title: 'Queue and run a callback, in a batch of 200,000',
        kind: 'bar',
        unit: 'ns',
        best: 'least',
        of: 'callbacks',
        categories: byPeer(peers),
        series: [['batch', { value: 'batch' }]],
      },
    ],
  };
}

/** @returns {Question} */
export function turns() {
  const kinds = { nothing: 'nothing', timer: 'a timer', source: 'a source' };
  const peers = Object.keys(kinds);
  return {
    name: 'turns',
    cases: [{ key: 'turns', peers, measure: (kind) => runProgram(`turn, ${kind}`) }],
    rows: Object.entries(kinds).map(([peer, pending]) => ({
      of: 'turns',
      peer,
      value: 'turn',
      name: `turn with ${pending} pending`,
      unit: 'ns',
    })),
  };
}
