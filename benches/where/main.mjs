// Where the user time of a server goes: each tenth of a microsecond of a message, by the code that runs.
//
//   npm run bench:where                       the echo of protocols, 50 connections
//   npm run bench:where -- streams            another server, by its name in benches/lib/peers.mjs
//   npm run bench:where -- 'redis protocol' --test get
//   npm run bench:where -- --connections 1000 --size 64 --seconds 5 --warmup 3 --top 30
import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { compiledC } from '../lib/build.mjs';
import { boundToParent, tracked } from '../lib/children.mjs';
import { userTimeBy } from '../lib/cpu.mjs';
import { startOf } from '../lib/peers.mjs';
import { load, redisBenchmark, startServer, warmUp } from '../lib/servers.mjs';
import { columns } from '../lib/table.mjs';
import { Hint, run, script } from '../../scripts/lib/process.mjs';
import { HTTP, LINES } from '../questions/protocols.mjs';
import { setUp } from '../../scripts/lib/setup.mjs';
import { Places } from './places.mjs';

/** @typedef {import('./places.mjs').Place} Place */

/** Of a sample, in microseconds. */
const PERIOD = 200;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    connections: { type: 'string', default: '50' },
    size: { type: 'string', default: '64' },
    seconds: { type: 'string', default: '5' },
    warmup: { type: 'string', default: '3' },
    top: { type: 'string', default: '25' },
    test: { type: 'string', default: 'set' },
  },
});

await script(async () => {
  setUp();
  run('cargo', ['build', '--release', '--quiet', '-p', 'loadgen']);
  if (userTimeBy() === 'ticks') throw new Hint('perf_event_open(2) is not permitted here.');
  const [name = 'protocol'] = positionals;
  const { messages, places } = await measure(name);
  const each = (/** @type {number} */ samples) => ((samples * PERIOD) / messages).toFixed(3);
  const total = places.reduce((sum, { samples }) => sum + samples, 0);
  console.log(`${name}: ${each(total)} µs of user time a message, ${messages} messages\n`);
  console.log(
    `${columns(
      ['µs', 'where'],
      grouped(places).map(([part, n]) => [each(n), part]),
    )}\n`,
  );
  const top = places.slice(0, Number(values.top));
  const lines = top.map(({ part, name: code, samples }) => [each(samples), part, code]);
  console.log(columns(['µs', 'where', 'code'], lines));
});
process.exit();

/** @param {string} name */
async function measure(name) {
  const { command, ...rest } = startOf(name);
  // Of Node: the names of compiled functions, in a file of /tmp.
  const [program = '', ...args] = command;
  const named = program.endsWith('node') ? ['--perf-basic-prof', ...args] : args;
  const server = await startServer(name, { start: { command: [program, ...named], ...rest } });
  try {
    const { pid } = server;
    const loaded = loadOf(name, server.port);
    await loaded.warmUp(Number(values.warmup));
    const sampler = startSampler(pid);
    await sleep(100);
    const messages = await loaded.run(Number(values.seconds));
    return { messages, places: new Places(pid).of(await sampler.addresses()) };
  } finally {
    await server.stop();
    rmSync(`/tmp/perf-${server.pid}.map`, { force: true });
  }
}

/**
 * The load of a server: `run` returns the number of messages.
 * @param {string} name @param {number} port
 * @returns {{ warmUp(seconds: number): Promise<void>, run(seconds: number): Promise<number> }}
 */
function loadOf(name, port) {
  if (name.startsWith('redis ')) return redisLoad(port);
  const flags = { port, connections: values.connections, ...messagesOf(name) };
  return {
    warmUp: (seconds) => warmUp(port, flags, seconds),
    run: async (seconds) => (await load({ ...flags, warmup: 0, seconds })).messages,
  };
}

/** As the questions about protocols send them. @param {string} name @returns {import('../lib/servers.mjs').Flags} */
function messagesOf(name) {
  if (name.startsWith('http ')) return HTTP;
  if (name.startsWith('lines ')) return LINES;
  return { size: values.size };
}

/** Messages are requests, 16 of them in a packet. @param {number} port */
function redisLoad(port) {
  const options = { tests: values.test, pipeline: 16, requests: 200_000 };
  const request = async (/** @type {number} */ seconds) => {
    const end = performance.now() + 1e3 * seconds;
    let requests = 0;
    for (; performance.now() < end; requests += options.requests) {
      await redisBenchmark(port, options);
    }
    return requests;
  };
  return { run: request, warmUp: async (seconds) => void (await request(seconds)) };
}

/** @param {number} pid */
function startSampler(pid) {
  const [file = '', ...args] = boundToParent([compiledC('user-clock.c'), String(pid), 'addresses']);
  const child = tracked(spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] }));
  return {
    addresses: async () => {
      child.stdin.end();
      // The first line is the time of the start.
      const [, ...lines] = (await text(child.stdout)).trim().split('\n');
      return lines.map((line) => Number.parseInt(line, 16));
    },
  };
}

/** Samples by part, most first. @param {readonly Place[]} places @returns {[string, number][]} */
function grouped(places) {
  /** @type {Map<string, number>} */
  const sums = new Map();
  for (const { part, samples } of places) sums.set(part, (sums.get(part) ?? 0) + samples);
  return [...sums].toSorted(([, a], [, b]) => b - a);
}
