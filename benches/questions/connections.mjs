// Idle connections: their memory, and the CPU of messages beside them. The rate of connections that
// come and go. The cost of peers that do not read.
import { setTimeout as sleep } from 'node:timers/promises';
import { atLeast } from '../lib/compare.mjs';
import { byPeer } from '../lib/question.mjs';
import { load, measureServer, startServer } from '../lib/servers.mjs';

/** @typedef {import('../lib/run.mjs').Options} Options */
/** @typedef {import('../lib/question.mjs').Question} Question */
/** @typedef {import('../lib/servers.mjs').Server} Server */

const ACTIVE = 100;
/** Peers without garbage collection, or with one that a signal starts. */
const MEASURED = ['protocol', 'streams', 'handlers', 'node:net', 'tokio', 'bare epoll'];
const OURS = ['protocol', 'streams', 'handlers'];

/** 2,890 B of node:net, against 500 and 1,500. @type {Record<string, Record<string, import('../lib/compare.mjs').Target>>} */
const IDLE_TARGETS = {
  protocol: { 'node:net': atLeast(12, 5.8) },
  streams: { 'node:net': atLeast(12, 4) },
};

/** @param {Options} options @returns {Question} */
export function connections({ quick, seconds, peers }) {
  // 20,000 descriptors on each side.
  const idle = quick ? 5000 : 18_000;
  const asked = MEASURED.filter((peer) => peers.includes(peer));
  return {
    name: 'connections',
    cases: [{ key: 'idle', peers: asked, measure: (peer) => measureIdle(peer, idle, seconds) }],
    rows: [
      ...OURS.map((peer) => ({
        of: 'idle',
        name: `memory of an idle connection, of ${idle}, ${peer}`,
        unit: 'B',
        peer,
        value: 'bytes',
        less: true,
        against: ['node:net'],
        ...(IDLE_TARGETS[peer] && { targets: IDLE_TARGETS[peer] }),
      })),
      {
        of: 'idle',
        name: `CPU a message of ${ACTIVE} connections, beside ${idle} idle ones`,
        unit: 'µs',
        peer: 'streams',
        value: 'loaded',
        less: true,
        against: { 'without them': { value: 'alone' } },
      },
    ],
    plots: [
      {
        id: 'memory-connection',
        title: `Resident memory of an idle connection, of ${idle.toLocaleString('en-US')}`,
        kind: 'bar',
        unit: 'B',
        of: 'idle',
        categories: byPeer(asked),
        series: [['memory', { value: 'bytes' }]],
      },
    ],
  };
}

/** Each connection ends with its first reply. @param {Options} options @returns {Question} */
export function accept({ seconds }) {
  const against = ['node:net', 'bare epoll'];
  const flags = { connections: 50, size: 64, cycle: /** @type {const} */ (true) };
  const measure = (/** @type {string} */ peer) => measureServer(peer, flags, seconds);
  return {
    name: 'accept',
    cases: [{ key: 'accept', peers: [...OURS, ...against], measure }],
    rows: OURS.map((peer) => ({
      of: 'accept',
      name: `connections that come and go, ${peer}`,
      unit: '/s',
      peer,
      value: 'rate',
      against,
      ...(peer === 'protocol' && { targets: { 'node:net': atLeast(5, 2.2) } }),
    })),
  };
}

/** Connections that send and hardly read, beside others. @param {Options} options @returns {Question} */
export function slow({ seconds }) {
  const against = ['node:net', 'node:net, piped', 'bare epoll'];
  const measure = (/** @type {string} */ peer) => measureSlow(peer, seconds);
  const peers = ['protocol', 'streams'];
  return {
    name: 'slow',
    cases: [{ key: 'slow', peers: [...peers, ...against], measure }],
    rows: peers.flatMap((peer) => [
      {
        of: 'slow',
        peer,
        against,
        name: `50 connections beside 100 that send and hardly read, ${peer}: messages`,
        unit: '/s',
        value: 'rate',
      },
      {
        of: 'slow',
        peer,
        against,
        name: `memory that one of those 100 has taken, ${peer}`,
        unit: 'KiB',
        value: 'kibibytes',
        less: true,
      },
    ]),
  };
}

/** @param {string} peer @param {number} seconds */
async function measureSlow(peer, seconds) {
  const server = await startServer(peer);
  // The warm-up fills the kernel's buffers, some megabytes for each connection.
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
    const loaded = await cpuPerMessage(server, { ...flags, seconds, idle }, async () => {
      bytes = ((await server.settledRss()) - before) / idle;
    });
    return { alone, loaded, bytes };
  } finally {
    server.stop();
  }
}

/**
 * Counts from the moment when the idle connections are open.
 * @param {Server} server @param {{ warmup: number, seconds: number } & Record<string, number>} flags
 * @param {() => Promise<void>} [onIdle]
 */
async function cpuPerMessage(server, flags, onIdle) {
  let before = server.usage();
  const result = await load(flags, async () => {
    // The last connections are still being accepted.
    await sleep(500);
    await onIdle?.();
    before = server.usage();
  });
  const after = server.usage();
  const messages = result.messages * (1 + flags.warmup / flags.seconds);
  return (after.user + after.system - before.user - before.system) / messages;
}
