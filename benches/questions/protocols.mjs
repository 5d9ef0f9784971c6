// What do many small messages in one packet cost: lines, and commands of Redis?
import { execFileSync } from 'node:child_process';
import { column, compare } from '../lib/compare.mjs';
import { interleave } from '../lib/run.mjs';
import { redisBenchmark, startServer, underLoad } from '../lib/servers.mjs';

const LINES = { connections: 50, size: 512, lines: 16 };

/** 16 lines a packet, each echoed. @param {{ repetitions: number, seconds: number }} options */
export async function lines({ repetitions, seconds }) {
  const peers = ['lines streams', 'lines node:net', 'lines node:net, corked'];
  const samples = await interleave(peers, repetitions, async (peer) => {
    const server = await startServer(peer);
    try {
      return await underLoad(server, LINES, seconds);
    } finally {
      server.stop();
    }
  });
  return peers.slice(1).map((peer, at) =>
    compare('16 lines of 32 B a packet: CPU per packet', 'µs', {
      ours: column(samples, 'lines streams', 'cpu'),
      peer: [peer, column(samples, peer, 'cpu')],
      less: true,
      ...(at === 0 ? { target: 2 } : {}),
    }),
  );
}

/** redis-benchmark -P 16. @param {{ repetitions: number, seconds: number }} options */
export async function redis({ repetitions }) {
  if (!hasRedisBenchmark()) {
    console.log('redis: left out, as redis-benchmark is not installed');
    return [];
  }
  const peers = ['redis streams', 'redis node:net', 'redis node:net, corked'];
  const samples = await interleave(peers, repetitions, measureRedis);
  return ['SET', 'GET'].flatMap((command) =>
    peers.slice(1).map((peer, at) =>
      compare(`redis-benchmark -P 16, ${command}`, '/s', {
        ours: column(samples, 'redis streams', command),
        peer: [peer, column(samples, peer, command)],
        ...(at === 0 ? { target: 2 } : {}),
      }),
    ),
  );
}

/** @param {string} peer */
async function measureRedis(peer) {
  const server = await startServer(peer);
  try {
    await redisBenchmark(server.port, { tests: 'set,get', requests: 100_000, pipeline: 16 });
    const options = { tests: 'set,get', requests: 500_000, pipeline: 16 };
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
