// What does a small message cost a server, with raw handlers and with streams, against others?
import { atLeast, column, compare } from '../lib/compare.mjs';
import { measureServer } from '../lib/servers.mjs';
import { median } from '../lib/statistics.mjs';

/** @typedef {import('../lib/run.mjs').Options} Options */
/** @typedef {import('../lib/run.mjs').Question} Question */
/** @typedef {import('../lib/run.mjs').Samples} Samples */

/** What our two servers have to reach: how many times less user CPU, how many times the messages. */
const TARGETS = {
  streams: {
    'node:net': { user: atLeast(1, 4), rate: atLeast(2, 1.35) },
    'Bun.listen': { user: atLeast(1, 1), rate: atLeast(2, 1) },
    'bare epoll': { rate: atLeast(2, 0.95) },
    'Tornado IOStream': { rate: atLeast(2, 2.5) },
  },
  handlers: {
    'node:net': { user: atLeast(3, 5) },
    'bare epoll': { rate: atLeast(3, 0.97) },
  },
};

/** More curves in one plot nobody can tell apart; and who is asked at one and at 10,000 connections. */
const CURVES = new Set([
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
  const counts = quick ? [50, 1000] : [1, 50, 1000, 10_000];
  const curves = peers.filter((peer) => CURVES.has(peer));
  return {
    name: 'echo',
    cases: counts.map((count) => ({
      key: title(count),
      peers: isCompared(count) ? peers : curves,
      measure: (peer) => measureServer(peer, { connections: count, size: 64 }, seconds),
    })),
    rows: (samples) =>
      counts
        .filter(isCompared)
        .flatMap((count) => [
          ...rowsOf(samples.get(title(count)), title(count), 'streams'),
          ...rowsOf(samples.get(title(count)), title(count), 'handlers'),
        ]),
    plots: (samples) => [
      cpuPlot(samples.get(title(50)), peers),
      {
        id: 'echo-rate',
        title: 'Echoes of 64 bytes on one core, by connections',
        kind: 'line',
        unit: '/s',
        axis: 'connections',
        categories: counts.map(String),
        series: curves.map((peer) => ({
          name: peer,
          data: counts.map((count) => median(column(samples.get(title(count)), peer, 'rate'))),
        })),
      },
    ],
  };
}

/** @param {number} count */
function title(count) {
  return `echo 64 B, ${count} connection${count === 1 ? '' : 's'}`;
}

/** @param {number} count */
function isCompared(count) {
  return count === 50 || count === 1000;
}

/** @param {Samples | undefined} found @param {string} name @param {'streams' | 'handlers'} ours */
function rowsOf(found, name, ours) {
  const targets = Object.entries(TARGETS[ours]);
  return targets.flatMap(([against, { user, rate }]) => {
    const look = { ours, against };
    const cpu = { name: `${name}, ${ours}: user CPU a message`, unit: 'µs', value: 'user' };
    const messages = { name: `${name}, ${ours}: messages`, unit: '/s', value: 'rate' };
    return [
      ...(user === undefined ? [] : compare(found, { ...look, ...cpu, less: true, target: user })),
      ...compare(found, { ...look, ...messages, target: rate }),
    ];
  });
}

/**
 * @param {Samples | undefined} found @param {readonly string[]} peers
 * @returns {import('../report/plots.mjs').Plot}
 */
function cpuPlot(found, peers) {
  const parts = ['user', 'system'];
  return {
    id: 'echo-cpu',
    title: 'CPU of the server for one 64-byte echo, 50 connections',
    kind: 'bar',
    unit: 'µs',
    categories: [...peers],
    series: parts.map((name) => ({
      name,
      data: peers.map((peer) => median(column(found, peer, name))),
    })),
  };
}
