// User CPU and rate of a server for small messages.
import { atLeast } from '../lib/compare.mjs';
import { byPeer } from '../lib/question.mjs';
import { measureServer } from '../lib/servers.mjs';

/** @typedef {import('../lib/run.mjs').Options} Options */
/** @typedef {import('../lib/question.mjs').Question} Question */

const VALUES = {
  user: { name: 'user CPU a message', unit: 'µs', less: true },
  rate: { name: 'messages', unit: '/s', less: false },
};

/** Ours, against, value, target. @type {[string, string, keyof typeof VALUES, import('../lib/compare.mjs').Target?][]} */
const ROWS = [
  ['protocol', 'node:net', 'user', atLeast(1, 7.1)],
  ['protocol', 'node:net', 'rate', atLeast(2, 1.65)],
  ['protocol', 'Bun.listen', 'user', atLeast(1, 1.8)],
  ['protocol', 'Bun.listen', 'rate', atLeast(2, 1.1)],
  ['protocol', 'bare epoll', 'rate', atLeast(2, 1.03)],
  ['protocol', 'streams', 'user'],
  ['streams', 'node:net', 'user', atLeast(1, 4)],
  ['streams', 'node:net', 'rate', atLeast(2, 1.35)],
  ['streams', 'Bun.listen', 'user', atLeast(1, 1)],
  ['streams', 'Bun.listen', 'rate', atLeast(2, 1)],
  ['streams', 'bare epoll', 'rate', atLeast(2, 0.95)],
  ['streams', 'Tornado IOStream', 'rate', atLeast(2, 2.5)],
  ['handlers', 'node:net', 'user', atLeast(3, 5)],
  ['handlers', 'node:net', 'rate'],
  ['handlers', 'bare epoll', 'rate', atLeast(3, 0.97)],
  ['handlers, batched', 'handlers', 'user'],
  ['handlers, batched', 'handlers', 'rate'],
  ['handlers, batched', 'node:net', 'user'],
  ['handlers, batched', 'bare epoll', 'rate'],
];

/** The peers measured at 1 and at 10,000 connections: more curves would be hard to tell apart. */
const CURVES = new Set([
  'protocol',
  'streams',
  'handlers',
  'node:net',
  'bare epoll',
  'tokio',
  'Go net',
  'Bun.listen',
  'Tornado IOStream',
]);

/** @param {Options} options @returns {Question} */
export function echo({ quick, seconds, peers }) {
  const compared = [50, 1000];
  const counts = quick ? compared : [1, ...compared, 10_000];
  const curves = peers.filter((peer) => CURVES.has(peer));
  return {
    name: 'echo',
    cases: counts.map((count) => ({
      key: title(count),
      peers: compared.includes(count) ? peers : curves,
      measure: (peer) => measureServer(peer, { connections: count, size: 64 }, seconds),
    })),
    rows: compared.flatMap((count) =>
      ROWS.map(([peer, against, value, target]) => ({
        ...VALUES[value],
        of: title(count),
        name: `${title(count)}, ${peer}: ${VALUES[value].name}`,
        peer,
        value,
        against: [against],
        ...(target && { targets: { [against]: target } }),
      })),
    ),
    plots: [
      {
        id: 'echo-cpu',
        title: 'CPU of the server for one 64-byte echo, 50 connections',
        kind: 'bar',
        unit: 'µs',
        of: title(50),
        categories: byPeer(peers),
        series: ['user', 'system'].map((value) => [value, { value }]),
      },
      {
        id: 'echo-rate',
        title: 'Echoes of 64 bytes on one core, by connections',
        kind: 'line',
        unit: '/s',
        axis: 'connections',
        value: 'rate',
        categories: counts.map((count) => [String(count), { of: title(count) }]),
        series: byPeer(curves),
      },
    ],
  };
}

/** @param {number} count */
function title(count) {
  return `echo 64 B, ${count} connection${count === 1 ? '' : 's'}`;
}
