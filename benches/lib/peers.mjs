// The peers: how each is prepared (built, fetched) and started. Unavailable peers are named and left
// out.
import { join } from 'node:path';
import { Hint, root } from '../../scripts/lib/process.mjs';
import { nodeBinary, otherRuntime } from '../../scripts/lib/runtimes.mjs';
import { compiledC, compiledGo, npmPackage, peerFile, python, rust } from './build.mjs';

/** @typedef {import('./build.mjs').Start} Start */

/** Echo servers by name. The first five are ours. @type {Record<string, () => Start>} */
const echo = {
  protocol: () => server('echo-protocol'),
  streams: () => server('echo-streams'),
  'streams 24': () => server('echo-streams', nodeBinary('24')),
  handlers: () => server('echo-handlers'),
  'batched handlers': () => server('echo-batched'),
  'node:net': () => server('echo-node'),
  'node:net 22': () => server('echo-node', nodeBinary('22')),
  'node:net 24': () => server('echo-node', nodeBinary('24')),
  'node:net 26': () => server('echo-node', nodeBinary('26')),
  'bare epoll': () => ({ command: [compiledC('epoll.c')] }),
  mio: () => ({ command: [rust('mio-echo')] }),
  tokio: () => ({ command: [rust('tokio-echo')] }),
  'Go net': () => ({ command: [compiledGo('go-net.go')] }),
  'Bun.listen': () => ({
    command: [...otherRuntime('bun'), peerFile('bun-listen.mjs')],
    collects: true,
  }),
  'Deno.listen': () => ({ command: [...otherRuntime('deno'), peerFile('deno-listen.mjs')] }),
  'Tornado IOStream': () => python('tornado-echo.py', ['stream'], 'tornado'),
  'Tornado add_handler': () => python('tornado-echo.py', ['handler'], 'tornado'),
  asyncio: () => python('asyncio-echo.py', ['asyncio']),
  uvloop: () => python('asyncio-echo.py', ['uvloop'], 'uvloop'),
};

/** Servers of other protocols: ours, and the plain and the tuned program on Node. @type {Record<string, () => Start>} */
const others = {
  'busy-polling protocol': () => server('echo-busy-polling-protocol'),
  'busy-polling streams': () => server('echo-busy-polling-streams'),
  'borrowing protocol': () => server('echo-borrowed'),
  'node:net, piped': () => server('echo-piped-node'),
  'lines protocol': () => server('lines-protocol'),
  'lines streams': () => server('lines-streams'),
  'lines node:net': () => server('lines-node'),
  'lines node:net, corked': () => server('lines-corked-node'),
  'redis protocol': () => node('examples/redis/push-server.mjs', '0'),
  'redis streams': () => node('examples/redis/server.mjs', '0'),
  'redis node:net': () => node('benches/workloads/redis-node.mjs'),
  'redis node:net, corked': () => node('benches/workloads/redis-node.mjs', 'corked'),
  'proxy pump': () => node('benches/workloads/proxy.mjs', 'pump'),
  'proxy node:net': () => node('benches/workloads/proxy.mjs', 'node'),
  'proxy splice in C': () => ({ command: [compiledC('splice-proxy.c')] }),
  'http streams': () => server('http-streams'),
  'http node': () => server('http-node'),
};

/**
 * Runtimes with timers and callbacks: each runs the same work, such as `timers` or `callbacks`.
 * @type {Record<string, (work: string, args: readonly string[]) => Start>}
 */
const programs = {
  ioloop: (work, args) => node(`benches/workloads/${work}.mjs`, 'ioloop', ...args),
  node: (work, args) => node(`benches/workloads/${work}.mjs`, 'runtime', ...args),
  Bun: (work, args) => ({ command: [...otherRuntime('bun'), ...script(work, args)] }),
  Deno: (work, args) => ({
    command: [...otherRuntime('deno'), '--v8-flags=--expose-gc', ...script(work, args)],
  }),
  asyncio: (work, args) => python(`asyncio-${work}.py`, ['asyncio', ...args]),
  uvloop: (work, args) => python(`asyncio-${work}.py`, ['uvloop', ...args], 'uvloop'),
  tokio: (work, args) => ({ command: [rust(`tokio-${work}`), ...args] }),
};

/**
 * Programs of single questions: a minimal implementation, or a package.
 * @type {Record<string, (args: readonly string[]) => Start>}
 */
const single = {
  'plain array': () => node('benches/workloads/callbacks.mjs', 'array'),
  'readiness ioloop': () => node('benches/workloads/readiness.mjs', 'ioloop'),
  'readiness npm epoll': () =>
    node('benches/workloads/readiness.mjs', join(npmPackage('epoll'), 'epoll.js')),
  DeadlineQueue: () => node('benches/workloads/deadlines.mjs', 'ioloop'),
  DeadlineSet: () => node('benches/workloads/deadlines.mjs', 'set'),
  'node by keys': () => node('benches/workloads/deadlines.mjs', 'keyed'),
  ttlcache: () =>
    node(
      'benches/workloads/deadlines.mjs',
      join(npmPackage('@isaacs/ttlcache'), 'dist/esm/index.js'),
    ),
  'turn, nothing': () => node('benches/workloads/turns.mjs', 'nothing'),
  'turn, timer': () => node('benches/workloads/turns.mjs', 'timer'),
  'turn, source': () => node('benches/workloads/turns.mjs', 'source'),
  // Without flags: with any, V8 rejects Node's code cache and compiles its modules again.
  import: () => ({ command: [process.execPath, join(root, 'benches/workloads/import.mjs')] }),
  'import, worker': () => ({
    command: [process.execPath, join(root, 'benches/workloads/import-worker.mjs')],
  }),
  boundary: () => node('benches/workloads/boundary.mjs'),
  RemoteLoop: (args) => node('benches/workloads/threads.mjs', 'ioloop', ...args),
  MessagePort: (args) => node('benches/workloads/threads.mjs', 'port', ...args),
};

/** The names of all echo servers. */
export const ECHO_PEERS = Object.keys(echo);
/** The names of all runtimes with timers. */
export const RUNTIMES = Object.keys(programs);
/** The peers that watch descriptors from elsewhere. */
export const WATCHERS = ['readiness ioloop', 'readiness npm epoll'];

/**
 * The command of a server. Builds or fetches it the first time.
 * @param {string} name @param {{ size?: number }} [options] The message size, for servers of large messages.
 * @returns {Start}
 */
export function startOf(name, { size = 0 } = {}) {
  if (name === 'bulk streams') return server('bulk-streams', process.execPath, String(size));
  const start = echo[name] ?? others[name];
  if (start === undefined) throw new Hint(`There is no peer ${name}.`);
  return start();
}

/**
 * The command of a program that measures itself.
 * @param {string} name @param {string} [work] @param {readonly string[]} [args] @returns {Start}
 */
export function programOf(name, work = '', args = []) {
  const start = programs[name];
  if (start !== undefined) return start(work, args);
  const other = single[name];
  if (other === undefined) throw new Hint(`There is no peer ${name}.`);
  return other(args);
}

/**
 * Builds and fetches peers. Returns the reasons for which some are not available.
 * @param {readonly string[]} names @returns {Map<string, string>}
 */
export function prepare(names) {
  /** @type {Map<string, string>} */
  const missing = new Map();
  for (const name of names) {
    try {
      getReady(name);
    } catch (error) {
      if (!(error instanceof Hint)) throw error;
      missing.set(name, error.message.split('\n').at(-1) ?? '');
    }
  }
  return missing;
}

/** @param {string} name */
function getReady(name) {
  (echo[name] ?? others[name])?.();
  single[name]?.([]);
  const start = programs[name];
  for (const work of start === undefined ? [] : ['timers', 'callbacks']) start?.(work, []);
}

/** @param {string} kind @param {string} [binary] @param {string[]} args @returns {Start} */
function server(kind, binary = process.execPath, ...args) {
  const file = join(root, 'benches/workloads/server.mjs');
  return { command: [binary, '--expose-gc', file, kind, ...args], collects: true };
}

/** @param {string} file @param {string[]} args @returns {Start} */
function node(file, ...args) {
  return { command: [process.execPath, '--expose-gc', join(root, file), ...args] };
}

/** @param {string} work @param {readonly string[]} args */
function script(work, args) {
  return [join(root, `benches/workloads/${work}.mjs`), 'runtime', ...args];
}
