// What does a message cost a server, with raw handlers and with streams, against others?
import { column, compare } from '../lib/compare.mjs';
import { startServer, underLoad } from '../lib/servers.mjs';
import { median } from '../lib/statistics.mjs';

/** @typedef {import('../lib/run.mjs').Options} Options */
/** @typedef {import('../lib/run.mjs').Question} Question */

/** What our two servers have to reach: how many times less user CPU, how many times the messages. */
const TARGETS = {
  streams: {
    'node:net': { user: 4, rate: 1.35 },
    'bare epoll': { rate: 0.95 },
    'Bun.listen': { user: 1, rate: 1 },
    'Tornado IOStream': { rate: 2.5 },
  },
  handlers: { 'node:net': { user: 5 }, 'bare epoll': { rate: 0.97 } },
};

/** More curves in one plot nobody can tell apart. */
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
  const title = (/** @type {number} */ count) =>
    `echo 64 B, ${count} connection${count === 1 ? '' : 's'}`;
  return {
    name: 'echo',
    cases: counts.map((count) => ({
      key: title(count),
      peers,
      measure: (peer) => measure(peer, { connections: count, size: 64 }, seconds),
    })),
    rows: (samples) =>
      [50, 1000].flatMap((count) =>
        Object.entries(TARGETS).flatMap(([ours, targets]) =>
          Object.entries(targets).flatMap(([against, target]) => {
            const found = samples.get(title(count));
            const row = { against, name: `${title(count)}, ${ours}` };
            return [
              ...('user' in target
                ? compare({
                    ...row,
                    name: `${row.name}: user CPU a message`,
                    unit: 'µs',
                    ours: column(found, ours, 'user'),
                    peer: column(found, against, 'user'),
                    less: true,
                    target: target.user,
                  })
                : []),
              ...compare({
                ...row,
                name: `${row.name}: messages`,
                unit: '/s',
                ours: column(found, ours, 'rate'),
                peer: column(found, against, 'rate'),
                target: 'rate' in target ? target.rate : undefined,
              }),
            ];
          }),
        ),
      ),
    plots: (samples) => {
      const at = samples.get(title(50));
      const value = (/** @type {string} */ peer, /** @type {string} */ name) =>
        median(column(at, peer, name));
      return [
        {
          id: 'echo-cpu',
          title: 'CPU of the server for one 64-byte echo, 50 connections',
          kind: 'bar',
          unit: 'µs',
          categories: [...peers],
          series: [
            { name: 'user', data: peers.map((peer) => value(peer, 'user')) },
            { name: 'system', data: peers.map((peer) => value(peer, 'system')) },
          ],
        },
        {
          id: 'echo-rate',
          title: 'Echoes of 64 bytes on one core, by connections',
          kind: 'line',
          unit: '/s',
          axis: 'connections',
          categories: counts.map(String),
          series: peers
            .filter((peer) => CURVES.has(peer))
            .map((peer) => ({
              name: peer,
              data: counts.map((count) => median(column(samples.get(title(count)), peer, 'rate'))),
            })),
        },
      ];
    },
  };
}

/** Large messages. @param {Options} options @returns {Question} */
export function bulk({ quick, seconds }) {
  const sizes = quick ? [65_536] : [4096, 65_536, 1_048_576];
  const title = (/** @type {number} */ size) => `echo ${size / 1024} KiB, 8 connections`;
  return {
    name: 'bulk',
    cases: sizes.map((size) => ({
      key: title(size),
      peers: ['bulk streams', 'node:net', 'bare epoll'],
      measure: (peer) => measure(peer, { connections: 8, size }, seconds),
    })),
    rows: (samples) =>
      sizes.flatMap((size) =>
        Object.entries({ 'node:net': 1, 'bare epoll': 0.9 }).flatMap(([against, target]) =>
          compare({
            name: `${title(size)}: CPU a message`,
            unit: 'µs',
            against,
            ours: column(samples.get(title(size)), 'bulk streams', 'cpu'),
            peer: column(samples.get(title(size)), against, 'cpu'),
            less: true,
            target,
          }),
        ),
      ),
  };
}

/** One connection, one message under way: how long it takes. @param {Options} options @returns {Question} */
export function latency({ seconds }) {
  const peers = ['streams', 'node:net', 'bare epoll'];
  const flags = { connections: 1, size: 64 };
  return {
    name: 'latency',
    cases: [{ key: 'latency', peers, measure: (peer) => measure(peer, flags, seconds) }],
    rows: (samples) =>
      peers.slice(1).flatMap((against) =>
        compare({
          name: 'echo 64 B, 1 connection: p50 latency',
          unit: 'µs',
          against,
          ours: column(samples.get('latency'), 'streams', 'p50'),
          peer: column(samples.get('latency'), against, 'p50'),
          less: true,
          target: against === 'bare epoll' ? 0.97 : undefined,
        }),
      ),
  };
}

/** @param {string} peer @param {Record<string, number>} flags @param {number} seconds */
async function measure(peer, flags, seconds) {
  const server = await startServer(peer, flags);
  try {
    return await underLoad(server, flags, seconds);
  } finally {
    server.stop();
  }
}
