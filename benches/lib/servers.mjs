// Servers in their own processes, pinned to a core, and their load from another. The kernel's
// accounting measures their cost, the same way for all.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { tracked } from './children.mjs';
import { cpuClock } from './cpu.mjs';
import { startOf } from './peers.mjs';
import { LOAD_CORES, pinned, SERVER_CORE } from './run.mjs';

const start = promisify(execFile);

const root = fileURLToPath(new URL('../../', import.meta.url));
const loadgen = join(root, 'target/release/loadgen');

/** A server has lost bytes or connections: it has no figure, however fast it is. */
export class Lost extends Error {}

/** @typedef {import('./cpu.mjs').CpuTimes} CpuTimes */
/**
 * @typedef {{
 *   pid: number, port: number, usage(): Promise<CpuTimes>, settledRss(): Promise<number>,
 *   peakRss(): number, stop(): Promise<void>,
 * }} Server
 */
/**
 * The result of the load generator; latencies in microseconds.
 * @typedef {{
 *   messages: number, offered: number, seconds: number, lost: number, busy: number, swallowed: number,
 *   p10: number, p50: number, p75: number, p90: number, p95: number, p99: number, p999: number,
 *   p9999: number, max: number,
 * }} Load
 */
/** Options of the load generator; `true` for those without a value. @typedef {Record<string, number | string | true>} Flags */

/**
 * Starts a server on its own core, and waits until it listens.
 * @param {string} name @param {{ size?: number, start?: import('./build.mjs').Start }} [options]
 * `start` is in the place of the command line of the peer. @returns {Promise<Server>}
 */
export async function startServer(name, { size = 0, start: own } = {}) {
  const { command: line, env, collects = false } = own ?? startOf(name, { size });
  const [command, ...args] = pinned(SERVER_CORE, line);
  const child = tracked(
    spawn(command, args, {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, ...env },
    }),
  );
  const ended = once(child, 'exit');
  const [first] = await Promise.race([
    once(createInterface({ input: child.stdout }), 'line'),
    ended.then(() => Promise.reject(new Error('the server has not started'))),
  ]);
  const port = Number(/(\d+)\D*$/.exec(first)?.[1]);
  const { pid = 0 } = child;
  const clock = cpuClock(pid);
  return {
    pid,
    port,
    usage: () => clock.usage(),
    settledRss: () =>
      settled(collects ? COLLECTIONS : 1, async () => {
        if (collects) child.kill('SIGUSR2');
        await sleep(200);
        return memoryOf(pid, 'VmRSS');
      }),
    peakRss: () => memoryOf(pid, 'VmHWM'),
    stop: async () => {
      clock.stop();
      child.kill('SIGKILL');
      // Its memory is freed on the core of the next server.
      await ended;
    },
  };
}

/**
 * Runs the load generator; fails when anything was lost.
 * @param {Flags} flags
 * @param {(line: { idle: number }) => void} [onIdle] Called when the idle connections are open.
 * @returns {Promise<Load>}
 */
export async function load(flags, onIdle) {
  const list = Object.entries(flags).flatMap(([name, value]) =>
    value === true ? [`--${name}`] : [`--${name}`, String(value)],
  );
  const [command, ...args] = pinned(LOAD_CORES, [loadgen, ...list]);
  const child = tracked(spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] }));
  let result = null;
  for await (const line of createInterface({ input: child.stdout })) {
    const parsed = JSON.parse(line);
    if ('messages' in parsed) result = parsed;
    else {
      await onIdle?.(parsed);
      child.stdin.write('\n');
    }
  }
  if (result === null) throw new Error('the load generator has failed');
  if (result.lost > 0) throw new Lost(`${result.lost} connections were lost`);
  if (result.messages === 0) throw new Error('no message came back');
  return result;
}

/**
 * Makes a server warm: 10⁵ messages and more, from connections that come and go. A runtime compiles hot
 * code in threads of its own, which count; and V8 compiles most of it again after the first close, when
 * the code of ends runs and fields change that never had.
 * @param {number} port @param {Flags} flags @param {number} seconds
 */
export async function warmUp(port, flags, seconds) {
  const warmup = seconds / WARM_UPS;
  for (let at = 0; at < WARM_UPS; at += 1) await load({ port, ...flags, seconds: 0.1, warmup });
}

/** Loads, each with connections of its own. */
export const WARM_UPS = 4;

/**
 * Load on a warm server, with the cost of each message.
 * @param {Server} server @param {Flags} flags @param {number} seconds
 */
export async function underLoad(server, flags, seconds) {
  await warmUp(server.port, flags, Math.min(2, 2 * seconds));
  const before = await server.usage();
  const result = await load({ port: server.port, ...flags, seconds, warmup: 0 });
  const after = await server.usage();
  const user = (after.user - before.user) / result.messages;
  const system = (after.system - before.system) / result.messages;
  return { ...result, user, system, cpu: user + system, rate: result.messages / result.seconds };
}

/**
 * The least of readings, when the last `count` were no smaller: the system gets freed memory later.
 * @param {number} count @param {() => Promise<number>} read
 */
async function settled(count, read) {
  let least = await read();
  for (let same = 0; same < count; same += 1) {
    const next = await read();
    if (next < 0.995 * least) same = -1;
    least = Math.min(least, next);
  }
  return least;
}

/**
 * V8 shrinks a young generation that has grown, to 32 MB in Node, once its last 10 collections were
 * preceded by few allocations. Otherwise that memory, which is not a connection's, is in the first
 * measurement or in the second by chance.
 */
const COLLECTIONS = 14;

/** Resident memory in bytes, current or peak. @param {number} pid @param {'VmRSS' | 'VmHWM'} what */
function memoryOf(pid, what) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`${what}:\\s+(\\d+)`).exec(status)?.[1]) * 1024;
}

/**
 * redis-benchmark on a server: requests per second by test. @param {number} port
 * @param {{ tests: string, requests: number, pipeline: number }} options
 */
export async function redisBenchmark(port, { tests, requests, pipeline }) {
  const flags = ['-p', port, '-t', tests, '-n', requests, '-P', pipeline, '-c', 50, '--csv'];
  const [command, ...args] = pinned(LOAD_CORES, ['redis-benchmark', ...flags.map(String)]);
  const running = start(command, args, { maxBuffer: 16 << 20 });
  tracked(running.child);
  const { stdout } = await running;
  const rows = [...stdout.matchAll(/^"([A-Z_]+)[^"]*","([\d.]+)"/gm)];
  return new Map(rows.map(([, name, rate]) => [name, Number(rate)]));
}

/**
 * Starts a server, measures it under load, and stops it.
 * @param {string} name @param {Flags & { size?: number }} flags @param {number} seconds
 */
export async function measureServer(name, flags, seconds) {
  const server = await startServer(name, flags);
  try {
    return await underLoad(server, flags, seconds);
  } finally {
    await server.stop();
  }
}
