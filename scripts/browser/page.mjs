// Runs the tests of a file in a page. A test is unsupported if it fails, and something was refused in
// it: by the package (`ERR_IOLOOP_UNSUPPORTED`), or by the lack of a function of Node.
import { observeRefusals } from '#internal';
import { runTests } from 'ava';
import { refusedByNode } from './node.mjs';

/** A test, as the command prints it. @typedef {{ title: string, outcome: string, detail: string }} Row */

/** Of one test, in milliseconds. */
const LIMIT_MS = 60_000;

/** What was refused since the last test has ended. @type {string[]} */
let refusals = [];

observeRefusals((needed) => refusals.push(needed));
refusedByNode((name) => refusals.push(name));

/** Runs everything that the bundle has registered. */
export async function run() {
  /** @type {Row[]} */
  const rows = [];
  /** @param {string} title @param {string} outcome @param {any} [problem] */
  const report = (title, outcome, problem) => {
    const refused = outcome === 'failed' ? (refusals[0] ?? refusalIn(problem)) : undefined;
    refusals = [];
    rows.push({
      title,
      outcome: refused === undefined ? outcome : 'unsupported',
      detail: refused ?? (problem === undefined ? '' : String(problem?.stack ?? problem)),
    });
  };
  for (const event of ['error', 'unhandledrejection']) {
    addEventListener(event, (/** @type {any} */ { error, reason }) =>
      report(`${event} outside of a test`, 'failed', error ?? reason),
    );
  }
  try {
    await runTests({ limitMs: LIMIT_MS, missing: () => null, report });
  } catch (error) {
    report('the file itself', 'failed', error);
  }
  return rows;
}

/** The refusal that an error is or tells of. @param {any} problem @returns {string | undefined} */
function refusalIn(problem) {
  const text = `${problem?.code} ${problem?.message} ${problem?.cause?.code}`;
  return /ERR_IOLOOP_UNSUPPORTED|is not supported here/.test(text) ? problem.message : undefined;
}
