// Runs programs in processes of their own, on cores of their own.
import { execFile } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import { boundToParent, tracked, works } from './children.mjs';
import { programOf } from './peers.mjs';

const start = promisify(execFile);

/** The core of the measured process, and those of the load: two out of four, so that it does not limit. */
export const SERVER_CORE = '0';
export const LOAD_CORES = availableParallelism() >= 4 ? '1,2' : '1';
/** The cores of a program of two threads. */
export const THREAD_CORES = '0,1';

const canPin = availableParallelism() > 1 && works('taskset', '-V');

/** The values of one run of a peer. @typedef {Record<string, number>} Sample */
/** All runs of a case by peer, in order. @typedef {Map<string, Sample[]>} Samples */
/**
 * Peers with the same work.
 * @typedef {{ key: string, peers: readonly string[], measure: (peer: string) => Promise<Sample> }} Case
 */
/**
 * Thoroughness, and the available peers: `peers` are echo servers, `runtimes` have timers and
 * callbacks, `watchers` watch descriptors from elsewhere.
 * @typedef {{
 *   quick: boolean, repetitions: number, seconds: number,
 *   peers: readonly string[], runtimes: readonly string[], watchers: readonly string[],
 * }} Options
 */

/**
 * A command line that ends with the harness, pinned to some cores where the system supports it.
 * @param {string} cores @param {readonly string[]} command
 */
export function pinned(cores, command) {
  return boundToParent(canPin ? ['taskset', '-c', cores, ...command] : command);
}

/**
 * Runs a program once. It measures itself and prints a line of JSON.
 * @param {string} name @param {string} [work] @param {readonly (string | number)[]} [args]
 * @param {string} [cores] @returns {Promise<Sample>}
 */
export function runProgram(name, work = '', args = [], cores = SERVER_CORE) {
  const { command, env } = programOf(name, work, args.map(String));
  return sampleOf(command, env, cores);
}

/**
 * The last line of a command's output, as JSON.
 * @param {readonly string[]} command @param {Record<string, string>} [env] @param {string} [cores]
 * @returns {Promise<Sample>}
 */
export async function sampleOf(command, env = {}, cores = SERVER_CORE) {
  const [file = '', ...rest] = pinned(cores, command);
  const options = { maxBuffer: 16 << 20, env: { ...process.env, ...env } };
  const running = start(file, rest, options);
  tracked(running.child);
  const { stdout } = await running;
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
}
