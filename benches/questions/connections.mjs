// What does a connection cost that does nothing, and does it slow down those that do something?
import { column, compare } from '../lib/compare.mjs';
import { interleave } from '../lib/run.mjs';
import { load, startServer } from '../lib/servers.mjs';

/** As many as 20,000 descriptors for each side allow. */
const IDLE = 18_000;
const ACTIVE = 100;

/** @param {{ repetitions: number, seconds: number }} options */
export async function connections({ repetitions, seconds }) {
  const samples = await interleave(['streams', 'node:net'], repetitions, (peer) =>
    measure(peer, seconds),
  );
  return [
    compare(`memory of an idle connection, of ${IDLE}`, 'B', {
      ours: column(samples, 'streams', 'bytes'),
      peer: ['node:net', column(samples, 'node:net', 'bytes')],
      less: true,
      target: 3,
    }),
    compare(`CPU per message of ${ACTIVE} connections, beside ${IDLE} idle ones`, 'µs', {
      ours: column(samples, 'streams', 'crowded'),
      peer: ['without them', column(samples, 'streams', 'alone')],
      less: true,
      target: 0.77,
    }),
  ];
}

/** @param {string} peer @param {number} seconds */
async function measure(peer, seconds) {
  const server = await startServer(peer);
  const flags = { port: server.port, connections: ACTIVE, size: 64, warmup: 0.5 };
  try {
    await load({ ...flags, seconds: 0.5 });
    const alone = await cpuPerMessage(server, { ...flags, seconds });
    let bytes = 0;
    const before = await server.settledRss();
    const crowded = await cpuPerMessage(server, { ...flags, seconds, idle: IDLE }, async () => {
      bytes = ((await server.settledRss()) - before) / IDLE;
    });
    return { alone, crowded, bytes };
  } finally {
    server.stop();
  }
}

/** Counted from when the idle ones are open. */
async function cpuPerMessage(server, flags, onIdle) {
  let before = server.usage();
  const result = await load(flags, async () => {
    // The last of them are still being accepted.
    await new Promise((resolve) => setTimeout(resolve, 500));
    await onIdle?.();
    before = server.usage();
  });
  const after = server.usage();
  const messages = result.messages * (1 + flags.warmup / flags.seconds);
  return (after.user + after.system - before.user - before.system) / messages;
}
