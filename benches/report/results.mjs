// The results of a run as JSON: what a report is made from, and what an interrupted run goes on with.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { optionsOf } from '../lib/plan.mjs';
import { rowsOf } from '../lib/question.mjs';
import { questionsOf } from '../questions/index.mjs';

/** @typedef {import('../lib/run.mjs').Samples} Samples */
/** @typedef {import('../lib/measure.mjs').Answer} Answer */
/**
 * The settings, machine and versions of a run, and what it lacks.
 * @typedef {import('../lib/plan.mjs').Settings & ReturnType<typeof import('./machine.mjs').machine> & {
 *   userTime: 'samples' | 'ticks', versions: Record<string, string>, missing: Record<string, string>,
 *   failures: readonly string[],
 * }} About
 */
/** @typedef {{ answers: readonly Answer[], about: About }} Results */

/** Creates the folder. Rounds to six digits. @param {string} file @param {Results} results */
export function writeResults(file, { answers, about }) {
  const rows = answers.flatMap(({ question, samples }) => rowsOf(question, samples));
  const measured = answers.flatMap(({ question, samples }) =>
    [...samples].map(([key, found]) => ({
      question: question.name,
      key,
      samples: Object.fromEntries(found),
    })),
  );
  const rounded = (/** @type {string} */ _, /** @type {unknown} */ value) =>
    typeof value === 'number' ? Number(value.toPrecision(6)) : value;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify({ about, rows, measured }, rounded, 1)}\n`);
}

/** Reads what {@link writeResults} has written. @param {string} file @returns {Results} */
export function readResults(file) {
  const { about, measured } = JSON.parse(readFileSync(file, 'utf8'));
  /** @type {Map<string, Map<string, Samples>>} */
  const samples = new Map();
  for (const { question, key, samples: peers } of measured) {
    if (!samples.has(question)) samples.set(question, new Map());
    samples.get(question)?.set(key, new Map(Object.entries(peers)));
  }
  const questions = questionsOf([...samples.keys()], optionsOf(about));
  return {
    about,
    answers: questions.map((question) => ({
      question,
      samples: samples.get(question.name) ?? new Map(),
    })),
  };
}

/** The repetitions of the case that has fewest. @param {readonly Answer[]} answers */
export function repetitionsOf(answers) {
  const counts = answers.flatMap(({ samples }) =>
    [...samples.values()].flatMap((found) => [...found.values()].map(({ length }) => length)),
  );
  return counts.length === 0 ? 0 : Math.min(...counts);
}
