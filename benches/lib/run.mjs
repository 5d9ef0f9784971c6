// Runs cases: all peers interleaved, each in its own process.
import { execFile, execFileSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import { tracked } from './children.mjs';
import { programOf } from './peers.mjs';

const start = promisify(execFile);

/** The core of the measured process, and those of the load: two out of four, so that it does not limit. */
export const SERVER_CORE = '0';
export const LOAD_CORES = availableParallelism() >= 4 ? '1,2' : '1';
/** The cores of a program of two threads. */
export const THREAD_CORES = '0,1';

const canPin = hasTaskset() && availableParallelism() > 1;

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
 * A command line pinned to some cores, where the system supports it.
 * @param {string} cores @param {readonly string[]} command
 */
export function pinned(cores, command) {
  return canPin ? ['taskset', '-c', cores, ...command] : [...command];
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

/**
 * Measures the peers of a case in turns, A B A B …, so that disturbances of the machine meet all of
 * them. A peer that has lost something has no samples at all.
 * @param {Case} item @param {number} repetitions
 * @param {(failed?: { peer: string, reason: string }) => void} onStep
 * @returns {Promise<Samples>}
 */
export async function interleave({ peers, measure }, repetitions, onStep) {
  /** @type {Samples} */
  const samples = new Map(peers.map((peer) => [peer, []]));
  for (let repetition = 0; repetition < repetitions; repetition += 1) {
    for (const peer of peers) {
      try {
        const sample = samples.has(peer) ? await measure(peer) : null;
        if (sample !== null) samples.get(peer)?.push(sample);
        onStep();
      } catch (error) {
        samples.delete(peer);
        onStep({ peer, reason: /** @type {Error} */ (error).message });
      }
    }
  }
  return samples;
}

function hasTaskset() {
  try {
    execFileSync('taskset', ['-V'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
