// Measures the cases of all questions, with a progress bar.
import { Presets, SingleBar } from 'cli-progress';
import { interleave } from './run.mjs';

/** @typedef {import('./question.mjs').Question} Question */
/** @typedef {import('./run.mjs').Samples} Samples */
/** @typedef {{ question: Question, samples: Map<string, Samples> }} Answer */

/**
 * `failures` are runs that lost something; these have no samples.
 * @param {readonly Question[]} questions @param {number} repetitions
 */
export async function measure(questions, repetitions) {
  const bar = new SingleBar(
    {
      format: '{bar} {value}/{total} {what}, {eta_formatted} left',
      clearOnComplete: true,
      hideCursor: true,
    },
    Presets.rect,
  );
  // Ctrl-C: the children stop when this process exits.
  process.on('SIGINT', () => {
    bar.stop();
    process.exit(130);
  });
  process.on('SIGTERM', () => process.exit(143));

  /** @type {string[]} */
  const failures = [];
  /** @type {Answer[]} */
  const answers = [];
  bar.start(stepsOf(questions) * repetitions, 0, { what: '' });
  for (const question of questions) {
    /** @type {Map<string, Samples>} */
    const samples = new Map();
    for (const item of question.cases) {
      bar.update({ what: item.key });
      const found = await interleave(item, repetitions, (failed) => {
        bar.increment();
        if (failed !== undefined) failures.push(`${item.key}, ${failed.peer}: ${failed.reason}`);
      });
      samples.set(item.key, found);
    }
    answers.push({ question, samples });
  }
  bar.stop();
  return { answers, failures };
}

/** @param {readonly Question[]} questions */
function stepsOf(questions) {
  return questions.flatMap(({ cases }) => cases).reduce((sum, { peers }) => sum + peers.length, 0);
}
