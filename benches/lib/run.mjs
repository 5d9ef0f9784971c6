// Runs questions: every case with all its peers, interleaved, in processes of their own.
import { execFile, execFileSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import { tracked } from './children.mjs';
import { programOf } from './peers.mjs';

const start = promisify(execFile);

/**
 * The core of what is measured, and those of the load: one more where there are four, so that it
 * is not the load that limits.
 */
export const SERVER_CORE = '0';
export const LOAD_CORES = availableParallelism() >= 4 ? '1,2' : '1';

const canPin = hasTaskset() && availableParallelism() > 1;

/** What one run of one peer gave. @typedef {Record<string, number>} Sample */
/** All runs of a case, by peer, in their order. @typedef {Map<string, Sample[]>} Samples */
/**
 * Peers that do the same.
 * @typedef {{ key: string, peers: readonly string[], measure: (peer: string) => Promise<Sample> }} Case
 */
/**
 * What is asked, and what becomes of the answers.
 * @typedef {{
 *   name: string,
 *   cases: readonly Case[],
 *   rows: (samples: Map<string, Samples>) => import('./compare.mjs').Row[],
 *   plots?: (samples: Map<string, Samples>) => import('../report/plots.mjs').Plot[],
 * }} Question
 */
/**
 * How thorough to be, and who can be asked: `peers` are echo servers, `runtimes` have timers and
 * callbacks, `watchers` watch descriptors of others.
 * @typedef {{
 *   quick: boolean, repetitions: number, seconds: number,
 *   peers: readonly string[], runtimes: readonly string[], watchers: readonly string[],
 * }} Options
 */

/**
 * A command line that runs on some cores, where the system can do that.
 * @param {string} cores @param {readonly string[]} command
 */
export function pinned(cores, command) {
  return canPin ? ['taskset', '-c', cores, ...command] : [...command];
}

/**
 * Runs a program once, which measures itself and prints a line of JSON.
 * @param {string} name @param {string} [work] @param {readonly (string | number)[]} [args]
 * @returns {Promise<Sample>}
 */
export function runProgram(name, work = '', args = []) {
  const { command, env } = programOf(name, work, args.map(String));
  return sampleOf(command, env);
}

/**
 * The last line that a command prints, as JSON.
 * @param {readonly string[]} command @param {Record<string, string>} [env]
 * @returns {Promise<Sample>}
 */
export async function sampleOf(command, env = {}) {
  const [file = '', ...rest] = pinned(SERVER_CORE, command);
  const options = { maxBuffer: 16 << 20, env: { ...process.env, ...env } };
  const running = start(file, rest, options);
  tracked(running.child);
  const { stdout } = await running;
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
}

/**
 * Measures the peers of a case against each other: A B A B …, so that what disturbs the machine
 * meets all of them. Of a peer that has lost something there is no figure at all.
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
