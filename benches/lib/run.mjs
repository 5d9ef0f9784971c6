// Runs questions: every case with all its peers, interleaved, in processes of their own.
import { execFile, execFileSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const start = promisify(execFile);

/** The core of what is measured; the load has the other one. */
export const SERVER_CORE = 0;
export const LOAD_CORE = 1;

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
/** How thorough to be. @typedef {{ quick: boolean, repetitions: number, seconds: number, peers: readonly string[] }} Options */

/**
 * A command line that runs on one core, where the system can do that.
 * @param {number} core @param {readonly string[]} command
 */
export function pinned(core, command) {
  return canPin ? ['taskset', '-c', String(core), ...command] : [...command];
}

/**
 * Runs a workload file once and parses the line of JSON it prints.
 * @param {string} file Relative to `benches/workloads`.
 * @param {string[]} args
 * @returns {Promise<Sample>}
 */
export async function runWorkload(file, args) {
  const path = fileURLToPath(new URL(`../workloads/${file}`, import.meta.url));
  const flags = ['--expose-gc'];
  const line = pinned(SERVER_CORE, [process.execPath, ...flags, path, ...args]);
  const { stdout } = await start(line[0] ?? '', line.slice(1), { maxBuffer: 16 << 20 });
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
}

/**
 * Measures the peers of a case against each other: A B A B …, so that what disturbs the machine
 * meets all of them.
 * @param {Case} item @param {number} repetitions @param {() => void} onStep
 * @returns {Promise<Samples>}
 */
export async function interleave({ peers, measure }, repetitions, onStep) {
  /** @type {Samples} */
  const samples = new Map(peers.map((peer) => [peer, []]));
  for (let repetition = 0; repetition < repetitions; repetition += 1) {
    for (const peer of peers) {
      samples.get(peer)?.push(await measure(peer));
      onStep();
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
