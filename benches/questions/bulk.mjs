// Megabytes echoed in a second of CPU, in messages of 4 KiB to 1 MiB.
import { byPeer } from '../lib/question.mjs';
import { measureServer } from '../lib/servers.mjs';
import { timesBetter } from '../lib/targets.mjs';

/** @typedef {import('../lib/run.mjs').Options} Options */
/** @typedef {import('../lib/question.mjs').Question} Question */

const KIB = 1024;
const OURS = ['borrowing protocol', 'protocol', 'bulk streams', 'handlers'];
const AGAINST = ['node:net', 'Bun.listen', 'bare epoll'];
const PEERS = [...OURS, ...AGAINST];
/** Of streams with large messages; `echo` has those of small ones. */
const STREAMS = { 'node:net': timesBetter(1), 'bare epoll': timesBetter(0.9) };
const PROTOCOL = { 'bare epoll': timesBetter(0.9, 11) };

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
    rows: loads.flatMap(({ kib, connections, key }) =>
      OURS.map((peer) => ({
        of: key,
        name: `${key}, ${peer.replace('bulk ', '')}: in a second of CPU`,
        unit: 'MB',
        peer,
        value: 'megabytes',
        against: AGAINST,
        ...(kib >= 64 && peer === 'bulk streams' && { targets: STREAMS }),
        ...(kib === 64 &&
          connections === 1000 &&
          peer.endsWith('protocol') && { targets: PROTOCOL }),
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
