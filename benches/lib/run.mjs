// Runs workloads in processes of their own, pinned to a core, interleaved with their peers.
import { execFile, execFileSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const start = promisify(execFile);

/** The core of what is measured; the load has the other one. */
export const SERVER_CORE = 0;
export const LOAD_CORE = 1;

const canPin = hasTaskset() && availableParallelism() > 1;

/**
 * A command line that runs on one core, where the system can do that.
 * @param {number} core @param {string[]} command
 */
export function pinned(core, command) {
  return canPin ? ['taskset', '-c', String(core), ...command] : command;
}

/**
 * Runs a workload file once and parses the line of JSON it prints.
 * @param {string} file Relative to `benches/workloads`.
 * @param {string[]} args
 */
export async function runWorkload(file, args) {
  const path = fileURLToPath(new URL(`../workloads/${file}`, import.meta.url));
  const flags = ['--expose-gc'];
  const [command, ...rest] = pinned(SERVER_CORE, [process.execPath, ...flags, path, ...args]);
  const { stdout } = await start(command, rest, { maxBuffer: 16 << 20 });
  return JSON.parse(stdout.trim().split('\n').at(-1));
}

/**
 * Measures peers against each other: A B A B …, so that what disturbs the machine meets both.
 * @param {string[]} peers
 * @param {number} repetitions
 * @param {(peer: string) => Promise<Record<string, number>>} measure
 * @returns {Promise<Map<string, Record<string, number>[]>>}
 */
export async function interleave(peers, repetitions, measure) {
  /** @type {Map<string, Record<string, number>[]>} */
  const samples = new Map(peers.map((peer) => [peer, []]));
  for (let repetition = 0; repetition < repetitions; repetition += 1) {
    for (const peer of peers) samples.get(peer)?.push(await measure(peer));
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
