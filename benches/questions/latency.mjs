// How long does a message take: alone, and at a fixed rate that does not wait for answers?
import { atLeast, column, compare } from '../lib/compare.mjs';
import { load, startServer } from '../lib/servers.mjs';
import { median } from '../lib/statistics.mjs';

/** @typedef {import('../lib/run.mjs').Options} Options */
/** @typedef {import('../lib/run.mjs').Question} Question */

const PEERS = ['streams', 'handlers', 'node:net', 'bare epoll', 'tokio'];
const ALONE = { connections: 1, size: 64 };
/** Messages a second on 50 connections: easy for all, and near what node:net can do. */
const RATES = [10_000, 40_000];
const PARTS = [
  ['10', 'p10'],
  ['50', 'p50'],
  ['75', 'p75'],
  ['90', 'p90'],
  ['95', 'p95'],
  ['99', 'p99'],
  ['99.9', 'p999'],
  ['99.99', 'p9999'],
];

/** @param {Options} options @returns {Question} */
export function latency({ seconds, peers }) {
  const asked = PEERS.filter((peer) => peers.includes(peer));
  return {
    name: 'latency',
    cases: [
      { key: 'alone', peers: asked, measure: (peer) => measure(peer, ALONE, seconds) },
      ...RATES.map((rate) => ({
        key: title(rate),
        peers: asked,
        measure: (/** @type {string} */ peer) =>
          measure(peer, { connections: 50, size: 64, rate }, seconds),
      })),
    ],
    rows: (samples) => [
      ...['node:net', 'bare epoll'].flatMap((against) =>
        compare(samples.get('alone'), {
          name: 'echo 64 B, 1 connection: p50 latency',
          unit: 'µs',
          ours: 'streams',
          against,
          value: 'p50',
          less: true,
          target: against === 'bare epoll' ? atLeast(5, 0.97) : undefined,
        }),
      ),
      ...RATES.flatMap((rate) =>
        ['p50', 'p99', 'p999'].flatMap((value) =>
          ['node:net', 'bare epoll'].flatMap((against) =>
            compare(samples.get(title(rate)), {
              name: `${title(rate)}: ${value.replace('p999', 'p99.9')} latency`,
              unit: 'µs',
              ours: 'streams',
              against,
              value,
              less: true,
            }),
          ),
        ),
      ),
    ],
    plots: (samples) =>
      RATES.map((rate) => ({
        id: `latency-${rate}`,
        title: `Latency of 64-byte echoes, ${rate.toLocaleString('en-US')} a second on 50 connections`,
        kind: 'line',
        unit: 'µs',
        logarithmic: true,
        axis: '% of the messages are faster',
        categories: PARTS.map(([part = '']) => part),
        series: asked.map((peer) => ({
          name: peer,
          data: PARTS.map(([, value = '']) =>
            median(column(samples.get(title(rate)), peer, value)),
          ),
        })),
      })),
  };
}

/**
 * First as fast as it goes, then for some seconds the load itself: a runtime compiles what is
 * called often, and again when it is called in another way, on the one core that there is.
 * @param {string} peer @param {import('../lib/servers.mjs').Flags} flags @param {number} seconds
 */
async function measure(peer, flags, seconds) {
  const server = await startServer(peer);
  const { port } = server;
  try {
    await load({ port, connections: 50, size: 64, warmup: 0.5, seconds: 0.1 });
    return await load({ port, ...flags, warmup: SETTLE, seconds });
  } finally {
    server.stop();
  }
}

const SETTLE = 3;

/** @param {number} rate */
function title(rate) {
  return `echo 64 B at ${rate.toLocaleString('en-US')}/s`;
}
