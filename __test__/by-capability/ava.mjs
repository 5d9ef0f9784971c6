/**
 * `ava` for a binary that cannot do everything: a test that fails, and in which the package has
 * refused something by `ERR_IOLOOP_UNSUPPORTED`, is unsupported. Its log says what was refused:
 * `scripts/lib/counters.mjs` counts it. All tests are tried, so a list of titles cannot be out of
 * date. A test that fails without a refusal is a failure, and so is one above the number of its file in
 * `mostUnsupported`.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { observeRefusals } from '#internal';
import real from 'ava';
import { mostUnsupported } from '../../scripts/lib/core-tests.mjs';

/** The refusals of a test, whose context its callbacks have. @type {AsyncLocalStorage<string[]>} */
const refusals = new AsyncLocalStorage();

/** Of code that runs in no test: of a file of tests, of a loop that all of its tests share. */
const elsewhere = [];

observeRefusals((what) => (refusals.getStore() ?? elsewhere).push(what));

/** How many tests of this file may still be unsupported. */
let left = mostUnsupported[/([\w-]+)\.test\.js$/.exec(real.meta.file)?.[1] ?? ''] ?? Infinity;

/** @param {Function} declare `test`, or one of its members that takes a test. */
function byCapability(declare) {
  return (...args) => {
    const at = args.findIndex(
      (arg) => typeof arg === 'function' || typeof arg?.exec === 'function',
    );
    const body = args[at];
    return declare(
      ...args.slice(0, at),
      { exec: (t, ...rest) => tried(t, body, rest), title: body.title },
      ...args.slice(at + 1),
    );
  };
}

async function tried(t, body, args) {
  const found = [];
  const from = elsewhere.length;
  const attempt = await refusals.run(found, () => t.try(body, ...args));
  const refused = found[0] ?? elsewhere[from] ?? ofChild(attempt.errors);
  if (attempt.passed || refused === undefined || left === 0) {
    attempt.commit();
    return;
  }
  left -= 1;
  attempt.discard();
  t.log(`unsupported: ${refused}`);
  t.pass();
}

/** What the package has refused in a child process, whose output the failed assertion has. */
function ofChild(errors) {
  const text = errors.map((error) => JSON.stringify([error.message, error.formattedDetails]));
  const [refused] =
    /[\w.]+\W+ is not supported here|ERR_IOLOOP_UNSUPPORTED/.exec(text.join('')) ?? [];
  return refused;
}

const test = Object.assign(byCapability(real), real, {
  failing: byCapability(real.failing),
  serial: Object.assign(byCapability(real.serial), real.serial),
});

export default test;
