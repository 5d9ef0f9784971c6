// User CPU and rate of a server for small messages.
import { byPeer } from '../lib/question.mjs';
import { measureServer } from '../lib/servers.mjs';
import { shareOfPeer, timesBetter } from '../lib/targets.mjs';

/** @typedef {import('../lib/run.mjs').Options} Options */
/** @typedef {import('../lib/question.mjs').Question} Question */

const VALUES = {
  user: { name: 'user CPU a message', unit: 'µs', less: true },
  rate: { name: 'messages', unit: '/s', less: false },
};

/** Ours, against, value, target. @type {[string, string, keyof typeof VALUES, import('../lib/targets.mjs').Target?][]} */
const ROWS = [
  ['protocol', 'node:net', 'user', shareOfPeer(0.14, 1)],
  ['protocol', 'Bun.listen', 'user', shareOfPeer(0.55, 1)],
  ['protocol', 'node:net', 'rate', timesBetter(1.65, 2)],
  ['protocol', 'Bun.listen', 'rate', timesBetter(1.1, 2)],
  ['protocol', 'bare epoll', 'rate', timesBetter(1.03, 2)],
  ['streams', 'node:net', 'user', shareOfPeer(0.28, 3)],
  ['streams', 'Bun.listen', 'user', shareOfPeer(1, 3)],
  ['streams 24', 'node:net 24', 'user', shareOfPeer(0.28, 3)],
  ['streams 24', 'Bun.listen', 'user', shareOfPeer(1, 3)],
  ['streams', 'node:net', 'rate', timesBetter(1.35)],
  ['streams', 'Bun.listen', 'rate', timesBetter(1)],
  ['streams', 'bare epoll', 'rate', timesBetter(0.95)],
  ['streams', 'Tornado IOStream', 'rate', timesBetter(2.5)],
  ['handlers', 'node:net', 'user', timesBetter(5)],
  ['handlers', 'node:net', 'rate'],
  ['handlers', 'bare epoll', 'rate', timesBetter(0.97)],
  ['batched handlers', 'handlers', 'user'],
  ['batched handlers', 'handlers', 'rate'],
  ['batched handlers', 'node:net', 'user'],
  ['batched handlers', 'bare epoll', 'rate'],
];

/** Connections of the rows and the bars. */
const COMPARED = [50, 1000];

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
  const counts = quick ? COMPARED : [1, ...COMPARED, 10_000];
  const curves = peers.filter((peer) => CURVES.has(peer));
  return {
    name: 'echo',
    cases: counts.map((count) => ({
      key: title(count),
      peers: COMPARED.includes(count) ? peers : curves,
      measure: (peer) => measureServer(peer, { connections: count, size: 64 }, seconds),
    })),
    rows: COMPARED.flatMap((count) =>
      ROWS.map(([peer, against, value, target]) => ({
        ...VALUES[value],
        of: title(count),
        name: `${title(count)}, ${nameOf(peer)}: ${VALUES[value].name}`,
        peer,
        value,
        against: [against],
        ...(target && { targets: { [against]: target } }),
      })),
    ),
    plots: [
      bars('echo-cpu', 'User CPU of the server for one 64-byte echo', 'user', peers),
      bars('echo-messages', 'Echoes of 64 bytes in a second, on one core', 'rate', peers),
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

/**
 * @param {string} id @param {string} name @param {keyof typeof VALUES} value @param {readonly string[]} peers
 * @returns {import('../lib/question.mjs').PlotSpec}
 */
function bars(id, name, value, peers) {
  const { unit, less } = VALUES[value];
  return {
    id,
    title: name,
    kind: 'bar',
    unit,
    best: less ? 'least' : 'most',
    value,
    categories: byPeer(peers),
    series: COMPARED.map((count) => [
      `${count.toLocaleString('en-US')} connections`,
      { of: title(count) },
    ]),
  };
}

/** Of a server on another Node than that of the harness. @param {string} peer */
function nameOf(peer) {
  return peer.replace(/ (\d+)$/, ' on Node $1');
}

/** @param {number} count */
function title(count) {
  return `echo 64 B, ${count} connection${count === 1 ? '' : 's'}`;
}
