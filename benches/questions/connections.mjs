// What does a connection cost that does nothing, and does it slow down those that do something?
import { setTimeout as sleep } from 'node:timers/promises';
import { column, compare } from '../lib/compare.mjs';
import { load, startServer } from '../lib/servers.mjs';

/** @typedef {import('../lib/run.mjs').Options} Options */
/** @typedef {import('../lib/run.mjs').Question} Question */

const ACTIVE = 100;

/** @param {Options} options @returns {Question} */
export function connections({ quick, seconds }) {
  // As many as 20,000 descriptors for each side allow.
  const idle = quick ? 5000 : 18_000;
  return {
    name: 'connections',
    cases: [
      {
        key: 'connections',
        peers: ['streams', 'handlers', 'node:net'],
        measure: (peer) => measure(peer, idle, seconds),
      },
    ],
    rows: (samples) => {
      const found = samples.get('connections');
      const name = `memory of an idle connection, of ${idle}`;
      const peer = column(found, 'node:net', 'bytes');
      const memory = { unit: 'B', against: 'node:net', peer, less: true, target: 4 };
      return [
        ...compare({
          ...memory,
          name: `${name}, streams`,
          ours: column(found, 'streams', 'bytes'),
        }),
        ...compare({
          ...memory,
          name: `${name}, handlers`,
          ours: column(found, 'handlers', 'bytes'),
        }),
        ...compare({
          name: `CPU a message of ${ACTIVE} connections, beside ${idle} idle ones`,
          unit: 'µs',
          against: 'without them',
          ours: column(found, 'streams', 'crowded'),
          peer: column(found, 'streams', 'alone'),
          less: true,
          target: 0.77,
        }),
      ];
    },
  };
}

/** @param {string} peer @param {number} idle @param {number} seconds */
async function measure(peer, idle, seconds) {
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
 * @param {import('../lib/servers.mjs').Server} server
 * @param {{ warmup: number, seconds: number } & Record<string, number>} flags
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
