// What the package refuses by ERR_IOLOOP_UNSUPPORTED in a test, where the binary cannot do everything:
// a test that fails after a refusal is unsupported, and so is one of a child process that refused.
import { AsyncLocalStorage } from 'node:async_hooks';

/**
 * The refusals of a test, whose context its callbacks have. `null` without an observer: browsers have
 * no such contexts, and an observer of their own.
 * @type {AsyncLocalStorage<string[]> | null}
 */
let ofTest = null;

/** Of code that runs in no test: of a file of tests, of a loop that all of its tests share. @type {string[]} */
const elsewhere = [];

/** Begins to observe: `observeRefusals` of the package. @param {(observer: (what: string) => void) => void} observe */
export function startObserving(observe) {
  const storage = new AsyncLocalStorage();
  ofTest = storage;
  observe((what) => (storage.getStore() ?? elsewhere).push(what));
}

/**
 * Runs a test, and returns its problem, and what was refused meanwhile.
 * @template {{ reason: unknown } | null} P
 * @param {() => Promise<P>} test
 * @returns {Promise<{ problem: P, refused: string | undefined }>}
 */
export async function withRefusals(test) {
  /** @type {string[]} */
  const found = [];
  const from = elsewhere.length;
  const problem = await (ofTest === null ? test() : ofTest.run(found, test));
  return { problem, refused: found[0] ?? elsewhere[from] ?? ofChild(problem) };
}

/** What the package refused in a child process: the failed assertion has its output. @param {{ reason: unknown } | null} problem */
function ofChild(problem) {
  const text = problem === null ? '' : String(problem.reason);
  return /[\w.]+\W+ is not supported here|ERR_IOLOOP_UNSUPPORTED/.exec(text)?.[0];
}
