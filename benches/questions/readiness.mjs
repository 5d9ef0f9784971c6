// The cost of a handler call on a descriptor from elsewhere, against npm's epoll.
import { runProgram } from '../lib/run.mjs';
import { timesBetter } from '../lib/targets.mjs';

/** No cases where `epoll` cannot be installed. @param {import('../lib/run.mjs').Options} options @returns {import('../lib/question.mjs').Question} */
export function readiness({ watchers: peers }) {
  const name = 'handler calls in a second of CPU';
  const ours = {
    of: 'readiness',
    peer: 'readiness ioloop',
    unit: '',
    against: { 'npm epoll': 'readiness npm epoll' },
  };
  return {
    name: 'readiness',
    cases: [{ key: 'readiness', peers, measure: (peer) => runProgram(peer) }],
    rows: [
      {
        ...ours,
        name: `${name}, the handlers do nothing`,
        value: 'unread',
        targets: { 'npm epoll': timesBetter(5) },
      },
      { ...ours, name: `${name}, they read and write a byte`, value: 'ring' },
    ],
  };
}
