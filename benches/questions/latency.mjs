// Latency of a message: alone, and at a fixed rate that does not wait for replies.
import { byPeer } from '../lib/question.mjs';
import { load, startServer } from '../lib/servers.mjs';
import { shareOfPeer } from '../lib/targets.mjs';

/** @typedef {import('../lib/run.mjs').Options} Options */
/** @typedef {import('../lib/question.mjs').Question} Question */

const OURS = ['protocol', 'streams', 'handlers'];
const AGAINST = ['node:net', 'Bun.listen', 'bare epoll'];
const PEERS = [...OURS, ...AGAINST, 'tokio'];
/** Of protocols and streams: handlers are one system call closer to the kernel. */
const TARGETS = { 'bare epoll': shareOfPeer(1.1, 12) };
/** Servers that poll for 20 µs before they sleep; only for one connection. */
const BUSY_POLLING = ['busy-polling protocol', 'busy-polling streams'];
const ALONE = { connections: 1, size: 64 };
/** Messages a second on 50 connections: easy for all, and near the limit of node:net. */
const RATES = [10_000, 40_000];
const PERCENTILES = ['10', '50', '75', '90', '95', '99', '99.9', '99.99'];

/** @param {Options} options @returns {Question} */
export function latency({ seconds, peers }) {
  const asked = PEERS.filter((peer) => peers.includes(peer));
  const ours = { unit: 'µs', less: true, against: AGAINST };
  return {
    name: 'latency',
    cases: [
      {
        key: 'alone',
        peers: [...BUSY_POLLING, ...asked],
        measure: (peer) => measure(peer, ALONE, seconds),
      },
      ...RATES.map((rate) => ({
        key: title(rate),
        peers: asked,
        measure: (/** @type {string} */ peer) =>
          measure(peer, { connections: 50, size: 64, rate }, seconds),
      })),
    ],
    rows: [
      ...[...OURS, ...BUSY_POLLING].map((peer) => ({
        ...ours,
        of: 'alone',
        peer,
        name: `echo 64 B, 1 connection, ${peer}: p50 latency`,
        value: 'p50',
        ...(peer !== 'handlers' && { targets: TARGETS }),
      })),
      ...RATES.flatMap((rate) =>
        ['protocol', 'streams'].flatMap((peer) =>
          ['50', '99', '99.9'].map((percentile) => ({
            ...ours,
            of: title(rate),
            peer,
            name: `${title(rate)}, ${peer}: p${percentile} latency`,
            value: valueOf(percentile),
          })),
        ),
      ),
    ],
    plots: RATES.map((rate) => ({
      id: `latency-${rate}`,
      title: `Latency of 64-byte echoes, ${rate.toLocaleString('en-US')} a second on 50 connections`,
      kind: 'line',
      unit: 'µs',
      logarithmic: true,
      axis: '% of the messages are faster',
      of: title(rate),
      categories: PERCENTILES.map((part) => [part, { value: valueOf(part) }]),
      series: byPeer(asked),
    })),
  };
}

/** The sample of a percentile: `p999` of 99.9. @param {string} percentile */
function valueOf(percentile) {
  return `p${percentile.replace('.', '')}`;
}

/**
 * Warms up at full speed, then for some seconds with the load itself: a runtime compiles hot code on
 * the core of the server, and again when its calls change.
 * @param {string} peer @param {import('../lib/servers.mjs').Flags} flags @param {number} seconds
 */
async function measure(peer, flags, seconds) {
  const server = await startServer(peer);
  const { port } = server;
  try {
    await load({ port, connections: 50, size: 64, warmup: 0.5, seconds: 0.1 });
    return await load({ port, ...flags, warmup: SETTLE, seconds });
  } finally {
    await server.stop();
  }
}

const SETTLE = 3;

/** @param {number} rate */
function title(rate) {
  return `echo 64 B at ${rate.toLocaleString('en-US')}/s`;
}
