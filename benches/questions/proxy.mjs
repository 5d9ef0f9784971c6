// Megabytes that a proxy moves both ways in a second of CPU.
import { fileURLToPath } from 'node:url';
import { byPeer } from '../lib/question.mjs';
import { LOAD_CORES, sampleOf } from '../lib/run.mjs';
import { Lost, startServer } from '../lib/servers.mjs';
import { timesBetter } from '../lib/targets.mjs';

/** @typedef {import('../lib/run.mjs').Options} Options */
/** @typedef {import('../lib/question.mjs').Question} Question */

const MIB = 1024 * 1024;
const PEERS = ['proxy pump', 'proxy node:net', 'proxy splice in C'];
const LOAD = fileURLToPath(new URL('../workloads/proxy-load.mjs', import.meta.url));

/** @param {Options} options @returns {Question} */
export function proxy({ quick }) {
  const bytes = (quick ? 64 : 1024) * MIB;
  const key = `proxy, ${bytes / MIB} MB both ways`;
  return {
    name: 'proxy',
    cases: [{ key, peers: PEERS, measure: (peer) => measure(peer, bytes) }],
    rows: [
      {
        of: key,
        name: `${key}: in a second of CPU`,
        unit: 'MB',
        peer: 'proxy pump',
        value: 'megabytes',
        against: { 'node:net': 'proxy node:net', 'splice in C': 'proxy splice in C' },
        targets: { 'node:net': timesBetter(2, 10), 'splice in C': timesBetter(0.9, 10) },
      },
    ],
    plots: [
      {
        id: 'proxy',
        title: 'Megabytes that a proxy moves in a second of CPU',
        kind: 'bar',
        unit: 'MB',
        best: 'most',
        of: key,
        categories: byPeer(PEERS),
        series: [['both ways', { value: 'megabytes' }]],
      },
    ],
  };
}

/** @param {string} peer @param {number} bytes Of each direction. */
async function measure(peer, bytes) {
  const server = await startServer(peer);
  try {
    // As other servers: a runtime compiles hot code in threads of its own, which count.
    await pass(server.port, bytes / 4);
    const before = await server.usage();
    await pass(server.port, bytes);
    const after = await server.usage();
    const cpu = after.user - before.user + after.system - before.system;
    return { megabytes: (2 * bytes) / MIB / (cpu / 1e6) };
  } finally {
    await server.stop();
  }
}

/** Moves bytes through a proxy, both ways. @param {number} port @param {number} bytes Of each direction. */
async function pass(port, bytes) {
  const command = [process.execPath, LOAD, String(port), String(bytes)];
  const { lost } = await sampleOf(command, {}, LOAD_CORES);
  if (lost > 0) throw new Lost(`${lost} directions were cut`);
}
