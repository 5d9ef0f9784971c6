// Idle connections: their memory, and the CPU of messages beside them. The rate of connections that
// come and go. The cost of peers that do not read.
import { setTimeout as sleep } from 'node:timers/promises';
import { byPeer } from '../lib/question.mjs';
import { load, measureServer, startServer } from '../lib/servers.mjs';
import { atMost, timesBetter } from '../lib/targets.mjs';

/** @typedef {import('../lib/run.mjs').Options} Options */
/** @typedef {import('../lib/question.mjs').Question} Question */
/** @typedef {import('../lib/servers.mjs').Server} Server */

const ACTIVE = 100;
const BESIDE = 'beside idle connections';
/** Peers without garbage collection, or with one that a signal starts. */
const OURS = ['protocol', 'streams', 'handlers'];
const MEASURED = [...OURS, 'node:net', 'Bun.listen', 'tokio', 'bare epoll'];

/** Bytes. @type {Record<string, import('../lib/targets.mjs').Target>} */
const IDLE_TARGETS = { protocol: atMost(500, 4), streams: atMost(1500, 4) };

/** @param {Options} options @returns {Question} */
export function connections({ quick, seconds, peers }) {
  // 20,000 descriptors on each side.
  const idle = quick ? 5000 : 18_000;
  const asked = MEASURED.filter((peer) => peers.includes(peer));
  return {
    name: 'connections',
    cases: [
      { key: 'idle', peers: asked, measure: (peer) => measureMemory(peer, idle) },
      { key: BESIDE, peers: ['streams'], measure: (peer) => measureBeside(peer, idle, seconds) },
    ],
    rows: [
      ...OURS.flatMap((peer) => {
        const bytes = { of: 'idle', peer, value: 'bytes', unit: 'B' };
        const name = `memory of an idle connection, of ${idle}, ${peer}`;
        const target = IDLE_TARGETS[peer];
        return [
          ...(target === undefined ? [] : [{ ...bytes, name, target }]),
          { ...bytes, name, less: true, against: ['node:net', 'Bun.listen'] },
        ];
      }),
      {
        of: BESIDE,
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
        best: 'least',
        of: 'idle',
        categories: byPeer(asked),
        series: [['memory', { value: 'bytes' }]],
      },
    ],
  };
}

/** Each connection ends with its first reply. @param {Options} options @returns {Question} */
export function accept({ seconds }) {
  const against = ['node:net', 'Bun.listen', 'bare epoll'];
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
      ...(peer === 'protocol' && { targets: { 'node:net': timesBetter(2.2, 5) } }),
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
    await server.stop();
  }
}

/** @param {string} peer @param {number} idle */
async function measureMemory(peer, idle) {
  const server = await startServer(peer);
  const flags = { port: server.port, connections: ACTIVE, size: 64, warmup: 0.1, seconds: 0.1 };
  let bytes = 0;
  try {
    await load({ ...flags, seconds: 0.5 });
    const before = await server.settledRss();
    await load({ ...flags, idle }, async () => {
      await allAccepted();
      bytes = ((await server.settledRss()) - before) / idle;
    });
    return { bytes };
  } finally {
    await server.stop();
  }
}

/** @param {string} peer @param {number} idle @param {number} seconds */
async function measureBeside(peer, idle, seconds) {
  const server = await startServer(peer);
  const flags = { port: server.port, connections: ACTIVE, size: 64, warmup: 0.5, seconds };
  try {
    await load(flags);
    const alone = await cpuPerMessage(server, flags);
    const loaded = await cpuPerMessage(server, { ...flags, idle });
    return { alone, loaded };
  } finally {
    await server.stop();
  }
}

/**
 * Counts from the moment when the idle connections are open.
 * @param {Server} server @param {{ warmup: number, seconds: number } & Record<string, number>} flags
 */
async function cpuPerMessage(server, flags) {
  let before = await server.usage();
  const result = await load(flags, async () => {
    await allAccepted();
    before = await server.usage();
  });
  const after = await server.usage();
  const messages = result.messages * (1 + flags.warmup / flags.seconds);
  return (after.user + after.system - before.user - before.system) / messages;
}

/** The last of the idle connections are still being accepted. */
function allAccepted() {
  return sleep(500);
}
