// Measures the cases of all questions, round by round: each round has every case once, with its peers
// one after the other, so that a disturbance of the machine meets few repetitions of a case, and all
// of its peers. A run that is interrupted has fewer repetitions of everything.
import { Presets, SingleBar } from 'cli-progress';
import { endAll } from './children.mjs';
import { Lost } from './servers.mjs';

/** @typedef {import('./question.mjs').Question} Question */
/** @typedef {import('./run.mjs').Case} Case */
/** @typedef {import('./run.mjs').Samples} Samples */
/** @typedef {{ question: Question, samples: Map<string, Samples> }} Answer */
/**
 * `failures` are runs that lost something, by case and peer; these have no samples. `minutes` are those
 * that each question has taken.
 * @typedef {{
 *   answers: readonly Answer[], failures: Map<string, string>, minutes: Map<string, number>,
 * }} Measured
 */

/** The longest measurement: a process that hangs is ended. */
const LIMIT_MS = 180_000;
const ATTEMPTS = 2;

/**
 * @param {readonly Answer[]} answers With the samples of earlier rounds. @param {number} repetitions
 * @param {{ signal: AbortSignal, onRound: (measured: Measured) => void }} options `signal` ends the
 * run with the samples so far.
 * @returns {Promise<Measured>}
 */
export async function measure(answers, repetitions, { signal, onRound }) {
  const steps = answers.flatMap((answer) => stepsOf(answer));
  const measured = { answers, failures: new Map(), minutes: new Map() };
  const bar = new SingleBar(
    {
      format: '{bar} {value}/{total} {what}, {eta_formatted} left',
      clearOnComplete: true,
      hideCursor: true,
      noTTYOutput: true,
      notTTYSchedule: 60_000,
    },
    Presets.rect,
  );
  bar.start(steps.length * repetitions, 0, { what: '' });
  for (let round = 0; round < repetitions && !signal.aborted; round += 1) {
    for (const step of steps) {
      bar.update({ what: step.item.key });
      const start = performance.now();
      await take(step, round, measured, signal);
      const spent = (performance.now() - start) / 60_000;
      measured.minutes.set(step.name, (measured.minutes.get(step.name) ?? 0) + spent);
      bar.increment();
    }
    onRound(measured);
  }
  bar.stop();
  return measured;
}

/** A peer of a case, and the name of the question. @typedef {{ name: string, item: Case, peer: string, samples: Samples }} Step */

/** @param {Answer} answer @returns {Step[]} */
function stepsOf({ question, samples }) {
  return question.cases.flatMap((item) => {
    const found = samples.get(item.key) ?? new Map();
    samples.set(item.key, found);
    return item.peers.map((peer) => ({ name: question.name, item, peer, samples: found }));
  });
}

/**
 * Takes the sample of a round, unless there is one. A peer that has lost something, or fails again,
 * has no samples at all.
 * @param {Step} step @param {number} round @param {Measured} measured @param {AbortSignal} signal
 */
async function take({ item, peer, samples }, round, { failures }, signal) {
  const name = `${item.key}, ${peer}`;
  const runs = samples.get(peer) ?? [];
  if (signal.aborted || failures.has(name) || runs.length > round) return;
  for (let attempt = 1; ; attempt += 1) {
    try {
      runs.push(await within(() => item.measure(peer), signal));
      samples.set(peer, runs);
      return;
    } catch (error) {
      if (signal.aborted) return;
      if (attempt < ATTEMPTS && !(error instanceof Lost)) continue;
      samples.delete(peer);
      failures.set(name, /** @type {Error} */ (error).message);
      return;
    }
  }
}

/**
 * Ends a measurement that takes too long, or that is not wanted any more.
 * @template T @param {() => Promise<T>} run @param {AbortSignal} signal @returns {Promise<T>}
 */
async function within(run, signal) {
  const end = new AbortController();
  const timer = setTimeout(() => end.abort(new Error(`more than ${LIMIT_MS / 1e3} s`)), LIMIT_MS);
  const ended = AbortSignal.any([signal, end.signal]);
  try {
    return await Promise.race([run(), aborted(ended)]);
  } finally {
    clearTimeout(timer);
    // What a failed measurement has started, too.
    endAll();
  }
}

/** @param {AbortSignal} signal @returns {Promise<never>} */
function aborted(signal) {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
