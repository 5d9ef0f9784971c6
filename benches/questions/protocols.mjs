// The cost of protocols: many lines or Redis commands in a packet, requests of HTTP.
import { works } from '../lib/children.mjs';
import { byPeer } from '../lib/question.mjs';
import { measureServer, redisBenchmark, startServer, WARM_UPS } from '../lib/servers.mjs';
import { timesBetter } from '../lib/targets.mjs';

/** @typedef {import('../lib/run.mjs').Options} Options */
/** @typedef {import('../lib/question.mjs').Question} Question */

/** 16 lines in a packet. */
export const LINES = { connections: 50, size: 512, lines: 16 };
export const HTTP = { connections: 50, http: /** @type {const} */ (true) };
/** Against the plain program on Node, and the tuned one: `cork()` around the replies of a packet. */
const TARGETS = {
  protocol: { 'node:net, corked': timesBetter(2.5, 6) },
  streams: { 'node:net': timesBetter(3) },
};
/** Our servers of a protocol. */
const OURS = /** @type {const} */ (['protocol', 'streams']);

/** 16 lines a packet, each echoed. @param {Options} options @returns {Question} */
export function lines({ seconds }) {
  const peers = peersOf('lines');
  return {
    name: 'lines',
    cases: [{ key: 'lines', peers, measure: (peer) => measureServer(peer, LINES, seconds) }],
    rows: OURS.map((ours) => ({
      of: 'lines',
      name: `16 lines of 32 B a packet, ${ours}: CPU a packet`,
      unit: 'µs',
      peer: `lines ${ours}`,
      value: 'cpu',
      less: true,
      against: plainAndCorked('lines'),
      targets: TARGETS[ours],
    })),
  };
}

/** redis-benchmark -P 16. No cases where it is not installed. @param {Options} options @returns {Question} */
export function redis({ quick }) {
  const peers = peersOf('redis');
  const requests = quick ? 200_000 : 500_000;
  const measure = (/** @type {string} */ peer) => measureRedis(peer, requests);
  return {
    name: 'redis',
    cases: works('redis-benchmark', '--version') ? [{ key: 'redis', peers, measure }] : [],
    rows: OURS.flatMap((ours) =>
      ['set', 'get'].map((command) => ({
        of: 'redis',
        name: `redis-benchmark -P 16, ${command}, ${ours}: CPU a request`,
        unit: 'µs',
        peer: `redis ${ours}`,
        value: command,
        less: true,
        against: plainAndCorked('redis'),
        targets: TARGETS[ours],
      })),
    ),
    plots: [
      {
        id: 'redis',
        title: 'CPU of a Redis request, 16 in a packet',
        kind: 'bar',
        unit: 'µs',
        best: 'least',
        of: 'redis',
        categories: byPeer(peers),
        series: ['get', 'set'].map((command) => [command.toUpperCase(), { value: command }]),
      },
    ],
  };
}

/** Node's http server on streams, and on its own sockets. @param {Options} options @returns {Question} */
export function http({ seconds }) {
  const peers = ['http streams', 'http node'];
  return {
    name: 'http',
    // Twice as long, and the warm-up with it: V8 compiles ten times as much code as of an echo.
    cases: [{ key: 'http', peers, measure: (peer) => measureServer(peer, HTTP, 2 * seconds) }],
    rows: [
      {
        of: 'http',
        name: 'HTTP by node:http on streams, 50 connections: requests',
        unit: '/s',
        peer: 'http streams',
        value: 'rate',
        against: { 'on its own': 'http node' },
        targets: { 'on its own': timesBetter(1.5, 7) },
      },
    ],
  };
}

/** @param {string} protocol */
function peersOf(protocol) {
  return [...OURS.map((ours) => `${protocol} ${ours}`), ...Object.values(plainAndCorked(protocol))];
}

/** @param {string} protocol */
function plainAndCorked(protocol) {
  return {
    'node:net': `${protocol} node:net`,
    'node:net, corked': `${protocol} node:net, corked`,
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
      // As `warmUp()`: V8 compiles again after the first close, for 0.1 to 0.3 s.
      for (let at = 0; at < WARM_UPS; at += 1) {
        await redisBenchmark(server.port, { ...options, requests: requests / 5 });
      }
      const before = await server.usage();
      await redisBenchmark(server.port, { ...options, requests });
      const after = await server.usage();
      result[command] = (after.user + after.system - before.user - before.system) / requests;
    }
    return result;
  } finally {
    await server.stop();
  }
}
