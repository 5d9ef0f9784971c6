// Servers in processes of their own, pinned to a core, and the load on them from another.
// What they cost is read from the kernel's accounting, the same way for all.
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { LOAD_CORE, pinned, SERVER_CORE } from './run.mjs';

const start = promisify(execFile);
const root = fileURLToPath(new URL('../../', import.meta.url));
const loadgen = join(root, 'target/release/loadgen');

/** @typedef {{ user: number, system: number }} CpuTimes Microseconds. */
/** @typedef {{ pid: number, port: number, usage(): CpuTimes, settledRss(): Promise<number>, stop(): void }} Server */
/** @typedef {{ messages: number, seconds: number, lost: number, p50: number, p99: number, p999: number, busy: number }} Load */

/** Servers by name: their command lines. @type {Record<string, () => string[]>} */
const commands = {
  handlers: () => ours('echo-handlers'),
  streams: () => ours('echo-streams'),
  'node:net': () => ours('echo-node'),
  'bare epoll': () => [compile('epoll.c')],
  'lines streams': () => ours('lines-streams'),
  'lines node:net': () => ours('lines-node'),
  'lines node:net, corked': () => ours('lines-corked-node'),
  'redis streams': () => [process.execPath, join(root, 'examples/redis/server.mjs'), '0'],
  'redis node:net': () => [process.execPath, join(root, 'benches/workloads/redis-node.mjs')],
  'redis node:net, corked': () => [
    process.execPath,
    join(root, 'benches/workloads/redis-node.mjs'),
    'corked',
  ],
  'http streams': () => ours('http-streams'),
  'http node': () => ours('http-node'),
};

/** Servers of large messages know their size. @param {string} name @param {number} size */
function commandOf(name, size) {
  if (name === 'bulk streams') return [...ours('bulk-streams'), String(size)];
  const command = commands[name];
  if (command === undefined) throw new Error(`there is no server ${name}`);
  return command();
}

/**
 * Starts a server on a core of its own, and waits until it listens.
 * @param {string} name @param {{ size?: number }} [options] @returns {Promise<Server>}
 */
export async function startServer(name, { size = 0 } = {}) {
  const [command, ...args] = pinned(SERVER_CORE, commandOf(name, size));
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  const port = Number(/(\d+)\D*$/.exec(line)?.[1]);
  const { pid = 0 } = child;
  return {
    pid,
    port,
    usage: () => usageOf(pid),
    settledRss: async () => {
      child.kill('SIGUSR2');
      await sleep(200);
      return rssOf(pid);
    },
    stop: () => child.kill('SIGKILL'),
  };
}

/**
 * Runs the load generator; fails when anything was lost.
 * @param {Record<string, number>} flags
 * @param {(line: { idle: number }) => void} [onIdle] Called when the idle connections are open.
 * @returns {Promise<Load>}
 */
export async function load(flags, onIdle) {
  const list = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const [command, ...args] = pinned(LOAD_CORE, [loadgen, ...list]);
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
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
  if (result.lost > 0) throw new Error(`${result.lost} connections were lost`);
  if (result.messages === 0) throw new Error('no message came back');
  return result;
}

/**
 * Load on a server that is warm, with what each message cost it.
 * @param {Server} server @param {Record<string, number>} flags @param {number} seconds
 */
export async function underLoad(server, flags, seconds) {
  await load({ port: server.port, ...flags, seconds: 0.1, warmup: 0.5 });
  const before = server.usage();
  const result = await load({ port: server.port, ...flags, seconds, warmup: 0 });
  const after = server.usage();
  const user = (after.user - before.user) / result.messages;
  const system = (after.system - before.system) / result.messages;
  return { ...result, user, system, cpu: user + system, rate: result.messages / result.seconds };
}

/** CPU time of a process, all its threads. @param {number} pid @returns {CpuTimes} */
function usageOf(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  // utime and stime, in ticks of 10 ms (proc(5)).
  return { user: Number(fields[11]) * 1e4, system: Number(fields[12]) * 1e4 };
}

/** Resident memory in bytes. @param {number} pid */
function rssOf(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024;
}

/** @param {string} kind */
function ours(kind) {
  return [process.execPath, '--expose-gc', join(root, 'benches/workloads/server.mjs'), kind];
}

/** A peer in C, compiled to the folder of the build. @param {string} file */
function compile(file) {
  const folder = join(root, 'target/peers');
  const binary = join(folder, file.replace(/\.c$/, ''));
  mkdirSync(folder, { recursive: true });
  execFileSync('cc', ['-O2', '-o', binary, join(root, 'benches/peers', file)]);
  return binary;
}

/**
 * redis-benchmark on a server: requests per second by test. @param {number} port
 * @param {{ tests: string, requests: number, pipeline: number }} options
 */
export async function redisBenchmark(port, { tests, requests, pipeline }) {
  const flags = ['-p', port, '-t', tests, '-n', requests, '-P', pipeline, '-c', 50, '--csv'];
  const [command, ...args] = pinned(LOAD_CORE, ['redis-benchmark', ...flags.map(String)]);
  const { stdout } = await start(command, args, { maxBuffer: 16 << 20 });
  const rows = [...stdout.matchAll(/^"([A-Z_]+)[^"]*","([\d.]+)"/gm)];
  return new Map(rows.map(([, name, rate]) => [name, Number(rate)]));
}
