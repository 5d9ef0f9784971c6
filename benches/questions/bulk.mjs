// Megabytes echoed in a second of CPU, in messages of 4 KiB to 1 MiB.
import { atLeast } from '../lib/compare.mjs';
import { byPeer } from '../lib/question.mjs';
import { measureServer } from '../lib/servers.mjs';

/** @typedef {import('../lib/run.mjs').Options} Options */
/** @typedef {import('../lib/question.mjs').Question} Question */

const KIB = 1024;
const PEERS = ['bulk streams', 'handlers', 'node:net', 'bare epoll'];
/** Of streams with large messages; `echo` has those of small ones. */
const TARGETS = { 'node:net': atLeast(4, 1), 'bare epoll': atLeast(4, 0.9) };

/** Message size in KiB, connections. 1,000 connections with 1 MiB would be a gigabyte in the generator. */
const LOADS = [
  [4, 50],
  [4, 1000],
  [64, 1],
  [64, 50],
  [64, 1000],
  [1024, 1],
  [1024, 50],
];

/** @param {Options} options @returns {Question} */
export function bulk({ quick, seconds }) {
  const loads = (quick ? [[64, 50]] : LOADS).map(([kib = 0, connections = 0]) => ({
    kib,
    connections,
    key: `echo ${kib} KiB, ${connections} connection${connections === 1 ? '' : 's'}`,
  }));
  return {
    name: 'bulk',
    cases: loads.map(({ kib, connections, key }) => ({
      key,
      peers: PEERS,
      measure: (peer) => measure(peer, connections, kib * KIB, seconds),
    })),
    rows: loads.flatMap(({ kib, key }) =>
      ['bulk streams', 'handlers'].map((peer) => ({
        of: key,
        name: `${key}, ${peer.replace('bulk ', '')}: in a second of CPU`,
        unit: 'MB',
        peer,
        value: 'megabytes',
        against: Object.keys(TARGETS),
        ...(kib >= 64 && peer !== 'handlers' && { targets: TARGETS }),
      })),
    ),
    plots: [
      {
        id: 'bulk',
        title: 'Megabytes echoed in a second of CPU, by size and connections',
        kind: 'line',
        unit: 'MB',
        axis: 'KiB × connections',
        value: 'megabytes',
        categories: loads.map(({ kib, connections, key }) => [
          `${kib} × ${connections}`,
          { of: key },
        ]),
        series: byPeer(PEERS),
      },
    ],
  };
}

/** @param {string} peer @param {number} connections @param {number} size @param {number} seconds */
async function measure(peer, connections, size, seconds) {
  const result = await measureServer(peer, { connections, size }, seconds);
  return { ...result, megabytes: size / result.cpu };
}
