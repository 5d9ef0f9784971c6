// What does a connection cost that does nothing, and does it slow down those that do something?
// How fast do they come and go, and what do those cost that do not read?
import { setTimeout as sleep } from 'node:timers/promises';
import { atLeast, column, compare, compareColumns } from '../lib/compare.mjs';
import { load, measureServer, startServer } from '../lib/servers.mjs';
import { median } from '../lib/statistics.mjs';

/** @typedef {import('../lib/run.mjs').Options} Options */
/** @typedef {import('../lib/run.mjs').Question} Question */
/** @typedef {import('../lib/servers.mjs').Server} Server */

const ACTIVE = 100;
/** Who can be told to collect its garbage, or has none. */
const MEASURED = ['streams', 'handlers', 'node:net', 'tokio', 'bare epoll'];
const FOUR = ['streams', 'handlers', 'node:net', 'bare epoll'];

/** @param {Options} options @returns {Question} */
export function connections({ quick, seconds, peers }) {
  // As many as 20,000 descriptors for each side allow.
  const idle = quick ? 5000 : 18_000;
  const asked = MEASURED.filter((peer) => peers.includes(peer));
  const memory = { unit: 'B', against: 'node:net', value: 'bytes', less: true };
  return {
    name: 'connections',
    cases: [{ key: 'idle', peers: asked, measure: (peer) => measureIdle(peer, idle, seconds) }],
    rows: (samples) => [
      ...['streams', 'handlers'].flatMap((ours) =>
        compare(samples.get('idle'), {
          ...memory,
          name: `memory of an idle connection, of ${idle}, ${ours}`,
          ours,
          target: ours === 'streams' ? atLeast(12, 4) : undefined,
        }),
      ),
      ...compareColumns(
        column(samples.get('idle'), 'streams', 'crowded'),
        column(samples.get('idle'), 'streams', 'alone'),
        {
          name: `CPU a message of ${ACTIVE} connections, beside ${idle} idle ones`,
          unit: 'µs',
          against: 'without them',
          less: true,
        },
      ),
    ],
    plots: (samples) => [
      {
        id: 'memory-connection',
        title: `Resident memory of an idle connection, of ${idle.toLocaleString('en-US')}`,
        kind: 'bar',
        unit: 'B',
        categories: asked,
        series: [
          {
            name: 'memory',
            data: asked.map((peer) => median(column(samples.get('idle'), peer, 'bytes'))),
          },
        ],
      },
    ],
  };
}

/** Each connection ends with its first answer. @param {Options} options @returns {Question} */
export function accept({ seconds }) {
  const flags = { connections: 50, size: 64, cycle: /** @type {const} */ (true) };
  return {
    name: 'accept',
    cases: [{ key: 'accept', peers: FOUR, measure: (peer) => measureServer(peer, flags, seconds) }],
    rows: (samples) =>
      ['streams', 'handlers'].flatMap((ours) =>
        ['node:net', 'bare epoll'].flatMap((against) =>
          compare(samples.get('accept'), {
            name: `connections that come and go, ${ours}`,
            unit: '/s',
            ours,
            against,
            value: 'rate',
          }),
        ),
      ),
  };
}

/** Connections that send and hardly read, beside others. @param {Options} options @returns {Question} */
export function slow({ seconds }) {
  const peers = ['streams', 'node:net', 'node:net, piped', 'bare epoll'];
  const measure = (/** @type {string} */ peer) => measureSlow(peer, seconds);
  return {
    name: 'slow',
    cases: [{ key: 'slow', peers, measure }],
    rows: (samples) => [
      ...peers.slice(1).flatMap((against) =>
        compare(samples.get('slow'), {
          name: '50 connections beside 100 that send and hardly read: messages',
          unit: '/s',
          ours: 'streams',
          against,
          value: 'rate',
        }),
      ),
      ...peers.slice(1).flatMap((against) =>
        compare(samples.get('slow'), {
          name: 'memory that one of those 100 has taken',
          unit: 'KiB',
          ours: 'streams',
          against,
          value: 'kibibytes',
          less: true,
        }),
      ),
    ],
  };
}

/** @param {string} peer @param {number} seconds */
async function measureSlow(peer, seconds) {
  const server = await startServer(peer);
  // The kernel's buffers are full before the measuring begins: some megabytes for each.
  const flags = { port: server.port, connections: 50, size: 4096, warmup: 2 };
  try {
    await load({ ...flags, warmup: 0.3, seconds: 0.3 });
    const before = await server.settledRss();
    const result = await load({ ...flags, slow: 100, seconds });
    const grown = (server.peakRss() - before) / 100 / 1024;
    return { rate: result.messages / result.seconds, kibibytes: Math.max(0, grown) };
  } finally {
    server.stop();
  }
}

/** @param {string} peer @param {number} idle @param {number} seconds */
async function measureIdle(peer, idle, seconds) {
  const server = await startServer(peer);
  const flags = { port: server.port, connections: ACTIVE, size: 64, warmup: 0.5 };
  try {
    await load({ ...flags, seconds: 0.5 });
    const alone = await cpuPerMessage(server, { ...flags, seconds });
    let bytes = 0;
    const before = await server.settledRss();
    const crowded = await cpuPerMessage(server, { ...flags, seconds, idle }, async () => {
      bytes = ((await server.settledRss()) - before) / idle;
    });
    return { alone, crowded, bytes };
  } finally {
    server.stop();
  }
}

/**
 * Counted from when the idle ones are open.
 * @param {Server} server @param {{ warmup: number, seconds: number } & Record<string, number>} flags
 * @param {() => Promise<void>} [onIdle]
 */
async function cpuPerMessage(server, flags, onIdle) {
  let before = server.usage();
  const result = await load(flags, async () => {
    // The last of them are still being accepted.
    await sleep(500);
    await onIdle?.();
    before = server.usage();
  });
  const after = server.usage();
  const messages = result.messages * (1 + flags.warmup / flags.seconds);
  return (after.user + after.system - before.user - before.system) / messages;
}
