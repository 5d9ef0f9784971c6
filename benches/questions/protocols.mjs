// What do many small messages in one packet cost: lines, and commands of Redis?
import { execFileSync } from 'node:child_process';
import { column, compare } from '../lib/compare.mjs';
import { redisBenchmark, startServer, underLoad } from '../lib/servers.mjs';

/** @typedef {import('../lib/run.mjs').Options} Options */
/** @typedef {import('../lib/run.mjs').Question} Question */

const LINES = { connections: 50, size: 512, lines: 16 };

/** 16 lines a packet, each echoed. @param {Options} options @returns {Question} */
export function lines({ seconds }) {
  const peers = ['lines streams', 'lines node:net', 'lines node:net, corked'];
  return {
    name: 'lines',
    cases: [{ key: 'lines', peers, measure: (peer) => measureLines(peer, seconds) }],
    rows: (samples) =>
      peers.slice(1).flatMap((against, at) =>
        compare({
          name: '16 lines of 32 B a packet: CPU a packet',
          unit: 'µs',
          against: against.replace('lines ', ''),
          ours: column(samples.get('lines'), 'lines streams', 'cpu'),
          peer: column(samples.get('lines'), against, 'cpu'),
          less: true,
          target: at === 0 ? 3 : undefined,
        }),
      ),
  };
}

/** redis-benchmark -P 16; nothing where it is not installed. @param {Options} options @returns {Question} */
export function redis({ quick }) {
  const peers = ['redis streams', 'redis node:net', 'redis node:net, corked'];
  const requests = quick ? 200_000 : 500_000;
  return {
    name: 'redis',
    cases: hasRedisBenchmark()
      ? [{ key: 'redis', peers, measure: (peer) => measureRedis(peer, requests) }]
      : [],
    rows: (samples) =>
      ['SET', 'GET'].flatMap((command) =>
        peers.slice(1).flatMap((against, at) =>
          compare({
            name: `redis-benchmark -P 16, ${command}`,
            unit: '/s',
            against: against.replace('redis ', ''),
            ours: column(samples.get('redis'), 'redis streams', command),
            peer: column(samples.get('redis'), against, command),
            target: at === 0 ? 3 : undefined,
          }),
        ),
      ),
  };
}

/** @param {string} peer @param {number} seconds */
async function measureLines(peer, seconds) {
  const server = await startServer(peer);
  try {
    return await underLoad(server, LINES, seconds);
  } finally {
    server.stop();
  }
}

/** @param {string} peer @param {number} requests */
async function measureRedis(peer, requests) {
  const server = await startServer(peer);
  try {
    await redisBenchmark(server.port, { tests: 'set,get', requests: requests / 5, pipeline: 16 });
    const options = { tests: 'set,get', requests, pipeline: 16 };
    return Object.fromEntries(await redisBenchmark(server.port, options));
  } finally {
    server.stop();
  }
}

function hasRedisBenchmark() {
  try {
    execFileSync('redis-benchmark', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
