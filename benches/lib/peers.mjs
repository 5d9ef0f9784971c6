// Who is measured. Each peer knows how to get ready (build, fetch) and how it is started; one that
// cannot be had here is named and left out.
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Hint, root, run } from '../../scripts/lib/process.mjs';
import { nodeBinary, otherRuntime } from '../../scripts/lib/runtimes.mjs';

const cache = join(root, '.cache', 'bench');
const peers = join(root, 'benches', 'peers');

/** A command line, and what is added to the environment. @typedef {{ command: string[], env?: Record<string, string> }} Start */

/** Echo servers by name. The first two are ours. @type {Record<string, () => Start>} */
const echo = {
  streams: () => ours('echo-streams'),
  handlers: () => ours('echo-handlers'),
  'node:net': () => ours('echo-node'),
  'node:net 22': () => ours('echo-node', nodeBinary('22')),
  'node:net 24': () => ours('echo-node', nodeBinary('24')),
  'node:net 26': () => ours('echo-node', nodeBinary('26')),
  'bare epoll': () => ({ command: [compiledC('epoll.c')] }),
  mio: () => ({ command: [rust('mio-echo')] }),
  tokio: () => ({ command: [rust('tokio-echo')] }),
  'Go net': () => ({ command: [compiledGo('go-net.go')] }),
  'Bun.listen': () => ({ command: [...otherRuntime('bun'), join(peers, 'bun-listen.mjs')] }),
  'Deno.listen': () => ({ command: [...otherRuntime('deno'), join(peers, 'deno-listen.mjs')] }),
  'Tornado IOStream': () => python('tornado-echo.py', 'stream', 'tornado'),
  'Tornado add_handler': () => python('tornado-echo.py', 'handler', 'tornado'),
  asyncio: () => python('asyncio-echo.py', 'asyncio'),
  uvloop: () => python('asyncio-echo.py', 'uvloop', 'uvloop'),
};

/** Servers of other protocols: ours and what one would write on `node:net`. @type {Record<string, () => Start>} */
const others = {
  'lines streams': () => ours('lines-streams'),
  'lines node:net': () => ours('lines-node'),
  'lines node:net, corked': () => ours('lines-corked-node'),
  'redis streams': () => node('examples/redis/server.mjs', '0'),
  'redis node:net': () => node('benches/workloads/redis-node.mjs'),
  'redis node:net, corked': () => node('benches/workloads/redis-node.mjs', 'corked'),
  'http streams': () => ours('http-streams'),
  'http node': () => ours('http-node'),
};

/** The names of all echo servers. */
export const ECHO_PEERS = Object.keys(echo);

/**
 * The command of a server. What it needs is built or fetched the first time.
 * @param {string} name @param {{ size?: number }} [options] Servers of large messages know their size.
 * @returns {Start}
 */
export function startOf(name, { size = 0 } = {}) {
  if (name === 'bulk streams') return ours('bulk-streams', process.execPath, String(size));
  const start = echo[name] ?? others[name];
  if (start === undefined) throw new Hint(`There is no peer ${name}.`);
  return start();
}

/**
 * Gets peers ready: those that can run here, and why the others cannot.
 * @param {readonly string[]} names
 */
export function prepare(names) {
  /** @type {string[]} */
  const ready = [];
  /** @type {Map<string, string>} */
  const missing = new Map();
  for (const name of names) {
    try {
      startOf(name);
      ready.push(name);
    } catch (error) {
      if (!(error instanceof Hint)) throw error;
      missing.set(name, error.message.split('\n').at(-1) ?? '');
    }
  }
  return { ready, missing };
}

/** @param {string} kind @param {string} [binary] @param {string[]} args @returns {Start} */
function ours(kind, binary = process.execPath, ...args) {
  const file = join(root, 'benches/workloads/server.mjs');
  return { command: [binary, '--expose-gc', file, kind, ...args] };
}

/** @param {string} file @param {string[]} args @returns {Start} */
function node(file, ...args) {
  return { command: [process.execPath, join(root, file), ...args] };
}

/** @param {string} source */
function compiledC(source) {
  return built(source.replace(/\.c$/, ''), (binary) =>
    run('cc', ['-O2', '-o', binary, join(peers, source)]),
  );
}

/** @param {string} source */
function compiledGo(source) {
  return built(source.replace(/\.go$/, ''), (binary) =>
    run('go', ['build', '-o', binary, join(peers, source)]),
  );
}

/** @param {string} name */
function rust(name) {
  const target = join(cache, 'rust');
  const binary = join(target, 'release', name);
  if (!existsSync(binary)) {
    const manifest = join(peers, 'rust', 'Cargo.toml');
    const flags = ['--release', '--quiet', '--manifest-path', manifest, '--target-dir', target];
    run('cargo', ['build', ...flags]);
  }
  return binary;
}

/**
 * Built anew each time: it takes no time, and the source may have changed.
 * @param {string} name @param {(binary: string) => void} build
 */
function built(name, build) {
  mkdirSync(cache, { recursive: true });
  const binary = join(cache, name);
  if (!done.has(binary)) build(binary);
  done.add(binary);
  return binary;
}

/** @type {Set<string>} */
const done = new Set();

/** @param {string} file @param {string} mode @param {string} [library] From PyPI. @returns {Start} */
function python(file, mode, library) {
  const folder = join(cache, 'python');
  if (library !== undefined && !existsSync(join(folder, library))) {
    run('python3', ['-m', 'pip', 'install', '--quiet', '--target', folder, library]);
  }
  run('python3', ['--version']);
  return { command: ['python3', join(peers, file), mode], env: { PYTHONPATH: folder } };
}
