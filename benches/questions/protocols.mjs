// What do protocols cost: many lines or commands of Redis in a packet, requests of HTTP?
import { execFileSync } from 'node:child_process';
import { atLeast, compare } from '../lib/compare.mjs';
import { measureServer, redisBenchmark, startServer } from '../lib/servers.mjs';

/** @typedef {import('../lib/run.mjs').Options} Options */
/** @typedef {import('../lib/run.mjs').Question} Question */

const LINES = { connections: 50, size: 512, lines: 16 };
const HTTP = { connections: 50, http: /** @type {const} */ (true) };

/** 16 lines a packet, each echoed. @param {Options} options @returns {Question} */
export function lines({ seconds }) {
  const peers = ['lines streams', 'lines node:net', 'lines node:net, corked'];
  return {
    name: 'lines',
    cases: [{ key: 'lines', peers, measure: (peer) => measureServer(peer, LINES, seconds) }],
    rows: (samples) =>
      peers.slice(1).flatMap((peer, at) =>
        compare(samples.get('lines'), {
          name: '16 lines of 32 B a packet: CPU a packet',
          unit: 'µs',
          ours: 'lines streams',
          peer,
          against: peer.replace('lines ', ''),
          value: 'cpu',
          less: true,
          target: at === 0 ? atLeast(6, 3) : undefined,
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
      ['set', 'get'].flatMap((command) =>
        peers.slice(1).flatMap((peer, at) =>
          compare(samples.get('redis'), {
            name: `redis-benchmark -P 16, ${command}: CPU a request`,
            unit: 'µs',
            ours: 'redis streams',
            peer,
            against: peer.replace('redis ', ''),
            value: command,
            less: true,
            target: at === 0 ? atLeast(6, 3) : undefined,
          }),
        ),
      ),
  };
}

/** Node's http server on our streams, and on its own. @param {Options} options @returns {Question} */
export function http({ seconds }) {
  const peers = ['http streams', 'http node'];
  return {
    name: 'http',
    cases: [{ key: 'http', peers, measure: (peer) => measureServer(peer, HTTP, seconds) }],
    rows: (samples) => [
      ...compare(samples.get('http'), {
        name: 'HTTP by node:http on streams, 50 connections: requests',
        unit: '/s',
        ours: 'http streams',
        peer: 'http node',
        against: 'on its own',
        value: 'rate',
      }),
    ],
  };
}

/** CPU microseconds a request, by command. @param {string} peer @param {number} requests */
async function measureRedis(peer, requests) {
  const server = await startServer(peer);
  /** @type {Record<string, number>} */
  const result = {};
  try {
    for (const command of ['set', 'get']) {
      const options = { tests: command, pipeline: 16 };
      await redisBenchmark(server.port, { ...options, requests: requests / 5 });
      const before = server.usage();
      await redisBenchmark(server.port, { ...options, requests });
      const after = server.usage();
      result[command] = (after.user + after.system - before.user - before.system) / requests;
    }
    return result;
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
