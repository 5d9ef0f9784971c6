/**
 * `ava` for a binary that cannot do everything: a test that fails, and in which the package has
 * refused something by `ERR_IOLOOP_UNSUPPORTED`, is unsupported. So is one whose workers or child
 * processes were refused something. Its log says what was refused; `scripts/lib/unsupported.mjs`
 * compares the titles with those of `unsupported.json`. A test that fails without a refusal is a
 * failure.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { observeRefusals } from '#internal';
import real, { registerCompletionHandler } from 'ava';
import { collectRefusals, refusalsElsewhere } from './refusals.mjs';

/** The refusals of a test, whose context its callbacks have. @type {AsyncLocalStorage<string[]>} */
const refusals = new AsyncLocalStorage();

/** Of code that runs in no test: of a file of tests, of a loop that all of its tests share. */
const outside = [];

observeRefusals((what) => (refusals.getStore() ?? outside).push(what));
collectRefusals(new URL('register.mjs', import.meta.url).href);

/** A test is unsupported. */
let isCut = false;

// A test that is cut by a refusal leaves open what it has begun, which would keep the process alive.
registerCompletionHandler(() => {
  if (isCut) process.exit();
});

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
  const from = outside.length;
  const fromElsewhere = refusalsElsewhere().length;
  const attempt = await refusals.run(found, () => t.try(body, ...args));
  if (attempt.passed) {
    attempt.commit();
    return;
  }
  const refused = found[0] ?? outside[from] ?? refusalsElsewhere()[fromElsewhere];
  if (refused === undefined) {
    attempt.commit();
    return;
  }
  attempt.discard();
  isCut = true;
  t.log(`unsupported: ${refused}`);
  t.pass();
}

const test = Object.assign(byCapability(real), real, {
  failing: byCapability(real.failing),
  serial: Object.assign(byCapability(real.serial), real.serial),
});

export default test;
