// Runs the tests of a file in a page. A test is unsupported if it fails, and something was refused in
// it: by the package (`ERR_IOLOOP_UNSUPPORTED`), or by the lack of a function of Node.
import { observeRefusals } from '#internal';
import * as ava from 'ava';
import { refusedByNode } from './node.mjs';

/** A test, as the command prints it. @typedef {{ title: string, outcome: string, detail: string }} Row */

/** Of one test, in milliseconds. */
const LIMIT_MS = 20_000;

/** What was refused since the last test has ended. @type {string[]} */
let refusals = [];

observeRefusals((what) => refusals.push(what));
refusedByNode((name) => refusals.push(name));

/** Runs everything that the bundle has registered. */
export async function run() {
  /** @type {Row[]} */
  const rows = [];
  /** @param {string} title @param {string} outcome @param {any} [problem] */
  const report = (title, outcome, problem) => {
    const refused = outcome === 'failed' ? refusals[0] : undefined;
    refusals = [];
    rows.push({
      title,
      outcome: refused === undefined ? outcome : 'unsupported',
      detail: refused ?? (problem === undefined ? '' : String(problem?.stack ?? problem)),
    });
  };
  /** Rejections that nothing has handled. @type {Map<unknown, unknown>} */
  const unhandled = new Map();
  const { addEventListener: listen } = /** @type {any} */ (globalThis);
  listen('unhandledrejection', ({ promise, reason }) => unhandled.set(promise, reason));
  listen('rejectionhandled', ({ promise }) => unhandled.delete(promise));
  listen('error', ({ error }) => report('an error outside of a test', 'failed', error));
  try {
    await /** @type {any} */ (ava).runTests({
      limitMs: LIMIT_MS,
      missing: () => null,
      // `report` knows the unsupported ones.
      mayBeRefused: () => false,
      report,
    });
  } catch (error) {
    report('the file itself', 'failed', error);
  }
  for (const reason of unhandled.values()) report('an unhandled rejection', 'failed', reason);
  return rows;
}
