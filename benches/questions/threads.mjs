// Calls between two threads against a MessagePort of Node: round trips, and posts of small values.
import { runProgram, THREAD_CORES } from '../lib/run.mjs';
import { timesBetter } from '../lib/targets.mjs';

/** @typedef {import('../lib/question.mjs').Question} Question */

const PEERS = ['RemoteLoop', 'MessagePort'];

/** @param {import('../lib/run.mjs').Options} options @returns {Question} */
export function threads({ quick }) {
  const against = ['MessagePort'];
  const trips = { of: 'threads', peer: 'RemoteLoop', unit: 'µs', less: true, against };
  const posts = { of: 'threads', peer: 'RemoteLoop', unit: '/s', against };
  return {
    name: 'threads',
    cases: [
      {
        key: 'threads',
        peers: PEERS,
        measure: (peer) => runProgram(peer, '', quick ? [10] : [], THREAD_CORES),
      },
    ],
    rows: [
      {
        ...trips,
        name: 'round trip between threads',
        value: 'trip',
        targets: { MessagePort: timesBetter(2) },
      },
      { ...trips, name: 'round trip, CPU of both threads', value: 'tripCpu' },
      { ...trips, name: 'round trip, 64 outstanding', value: 'trips' },
      ...['number', 'string', 'object'].flatMap((kind) => [
        {
          ...posts,
          name: `10⁶ posts of a small ${kind}`,
          value: kind,
          targets: { MessagePort: timesBetter(3) },
        },
        { ...trips, name: `post of a small ${kind}, CPU of both threads`, value: `${kind}Cpu` },
      ]),
    ],
  };
}
