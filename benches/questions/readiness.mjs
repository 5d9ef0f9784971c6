// What does a handler call cost on a descriptor that is none of ours, against npm's epoll?
import { atLeast, compare } from '../lib/compare.mjs';
import { runProgram } from '../lib/run.mjs';

/** Nothing where `epoll` cannot be installed. @param {import('../lib/run.mjs').Options} options @returns {import('../lib/run.mjs').Question} */
export function readiness({ watchers: peers }) {
  const look = { unit: '', ours: 'readiness ioloop', peer: 'readiness npm epoll' };
  return {
    name: 'readiness',
    cases: [{ key: 'readiness', peers, measure: (peer) => runProgram(peer) }],
    rows: (samples) => {
      const found = samples.get('readiness');
      const call = { ...look, against: 'npm epoll' };
      const name = 'handler calls in a second of CPU';
      return [
        ...compare(found, {
          ...call,
          name: `${name}, the handlers do nothing`,
          value: 'unread',
          target: atLeast(11, 5),
        }),
        ...compare(found, { ...call, name: `${name}, they read and write a byte`, value: 'ring' }),
      ];
    },
  };
}
