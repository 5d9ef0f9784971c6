// The part of ava that the tests use, for hosts that ava does not run on: other runtimes, emulated
// machines, wine. One file of tests, in one process, one test after the other; `run.mjs` starts it.
//
// As in ava: serial tests come first; a test without an assertion fails; `t.plan` counts; what
// is still pending when a test returns does not belong to it. Results go to `report`, one per test.
import { assertions } from './assertions.mjs';
import { withRefusals } from './refusals.mjs';

/**
 * @typedef {(t: any, ...args: any[]) => unknown} Body
 * @typedef {{ title: string, body: Body, args: unknown[], isSkipped: boolean }} Test
 * @typedef {'passed' | 'failed' | 'skipped' | 'unsupported'} Outcome
 */

/** @type {Test[]} */
const serial = [];
/** @type {Test[]} */
const others = [];
/** @type {Record<'before' | 'beforeEach' | 'always', Body[]>} */
const hooks = { before: [], beforeEach: [], always: [] };

/** @param {Test[]} tests @param {boolean} isSkipped */
function registrar(tests, isSkipped = false) {
  /** @param {string} title @param {Body} body @param {unknown[]} args */
  return (title, body, ...args) => {
    tests.push({ title, body, args, isSkipped });
  };
}

/** @param {Body[]} list */
function hook(list) {
  /** @param {Body} body */
  return (body) => {
    list.push(body);
  };
}

const test = Object.assign(registrar(others), {
  skip: registrar(others, true),
  serial: Object.assign(registrar(serial), { skip: registrar(serial, true) }),
  before: hook(hooks.before),
  beforeEach: hook(hooks.beforeEach),
  after: { always: hook(hooks.always) },
});

export default test;
export { startObserving } from './refusals.mjs';

/**
 * Runs everything that was registered.
 * @param {object} options
 * @param {number} options.limitMs Of one test.
 * @param {(title: string) => string | null} options.missing What a test needs and is not here.
 * @param {(title: string) => boolean} options.mayBeRefused Whether a test is unsupported if it fails
 * after the package has refused something in it.
 * @param {(title: string, outcome: Outcome, detail?: unknown) => void} options.report `detail` is the
 * problem of a test that failed, and what an unsupported one needs.
 * @returns {Promise<void>} Rejected if a hook of the whole file fails.
 */
export async function runTests({ limitMs, missing, mayBeRefused, report }) {
  for (const before of hooks.before) await before(context('before', []).t);
  for (const { title, body, args, isSkipped } of [...serial, ...others]) {
    if (isSkipped) {
      report(title, 'skipped');
      continue;
    }
    const need = missing(title);
    if (need !== null) {
      report(title, 'unsupported', `needs: ${need}`);
      continue;
    }
    const { problem, refused } = await withRefusals(() =>
      runTest(title, (t) => body(t, ...args), limitMs),
    );
    if (problem === null) report(title, 'passed');
    else if (refused !== undefined && mayBeRefused(title)) {
      report(title, 'unsupported', `refused: ${refused}`);
    } else report(title, 'failed', problem.reason);
  }
  for (const always of hooks.always) await always(context('after', []).t);
}

/** @param {string} title @param {Body} body @param {number} limitMs */
async function runTest(title, body, limitMs) {
  /** @type {(() => unknown)[]} */
  const teardowns = [];
  const { t, settle } = context(title, teardowns);
  let problem = await problemOf(async () => {
    for (const before of hooks.beforeEach) await before(t);
    await within(limitMs, body(t));
    settle();
  });
  for (const teardown of teardowns.toReversed()) {
    const another = await problemOf(teardown);
    problem ??= another;
  }
  return problem;
}

/** @param {() => unknown} work @returns {Promise<{ reason: unknown } | null>} */
async function problemOf(work) {
  try {
    await work();
    return null;
  } catch (reason) {
    return { reason };
  }
}

/** @param {number} limitMs @param {unknown} work */
async function within(limitMs, work) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`took more than ${limitMs / 1e3} s`)), limitMs);
  });
  try {
    await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * The `t` of one test. A failed assertion throws; one that the test catches is kept for the end.
 * @param {string} title @param {(() => unknown)[]} teardowns
 */
function context(title, teardowns) {
  let count = 0;
  /** @type {number | null} */
  let planned = null;
  /** @type {{ reason: unknown } | null} */
  let first = null;
  const t = {
    title,
    context: {},
    ...assertions({
      onAssertion: () => {
        count += 1;
      },
      onFailure: (reason) => {
        first ??= { reason };
      },
    }),
    /** @param {unknown[]} values */
    log: (...values) => console.log('#', ...values),
    /** @param {number} expected */
    plan: (expected) => {
      planned = expected;
    },
    /** @param {() => unknown} teardown */
    teardown: (teardown) => {
      teardowns.push(teardown);
    },
  };
  const settle = () => {
    if (first !== null) throw first.reason;
    if (planned !== null && planned !== count) {
      throw new Error(`planned ${planned} assertions, and made ${count}`);
    }
    if (planned === null && count === 0) throw new Error('no assertion was made');
  };
  return { t, settle };
}
