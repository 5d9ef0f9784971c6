// The assertions of ava that the tests use, on `node:assert`.
import assert from 'node:assert';
import { isDeepStrictEqual } from 'node:util';

/**
 * @typedef {{
 *   code?: unknown, name?: unknown, message?: string | RegExp | ((message: string) => boolean),
 *   instanceOf?: Function, is?: unknown,
 * }} Expected
 */

/**
 * Makes the assertions of one test.
 * @param {object} watch
 * @param {() => void} watch.onAssertion Called for each.
 * @param {(reason: unknown) => void} watch.onFailure Called for each that fails, before it throws.
 */
export function assertions({ onAssertion, onFailure }) {
  /** @param {() => unknown} check */
  const asserted = (check) => {
    onAssertion();
    try {
      return check();
    } catch (error) {
      onFailure(error);
      throw error;
    }
  };
  /** @template {any[]} Args @param {(...args: Args) => unknown} check */
  const one =
    (check) =>
    (/** @type {Args} */ ...args) =>
      asserted(() => check(...args));

  return {
    pass: one(() => true),
    fail: one((message = 'a call of t.fail()') => assert.fail(message)),
    is: one((actual, expected, message) =>
      assert.ok(Object.is(actual, expected), message ?? differ(actual, expected)),
    ),
    not: one((actual, other, message) => assert.ok(!Object.is(actual, other), message)),
    true: one((value, message) => assert.strictEqual(value, true, message)),
    false: one((value, message) => assert.strictEqual(value, false, message)),
    truthy: one((value, message) => assert.ok(value, message)),
    falsy: one((value, message) => assert.ok(!value, message)),
    deepEqual: one((actual, expected, message) => {
      // As ava does. For Node 20 an invalid date is not equal to another one.
      if (isInvalidDate(actual) && isInvalidDate(expected)) return;
      assert.deepStrictEqual(actual, expected, message);
    }),
    notDeepEqual: one((actual, other, message) =>
      assert.notDeepStrictEqual(actual, other, message),
    ),
    like: one((actual, selector, message) =>
      assert.deepStrictEqual(select(actual, selector), selector, message),
    ),
    regex: one((text, pattern, message) => assert.match(text, pattern, message)),
    notRegex: one((text, pattern, message) => assert.doesNotMatch(text, pattern, message)),
    throws: one((body, expected, message) => {
      let returned;
      try {
        returned = body();
      } catch (error) {
        return matched(error, expected, message);
      }
      return assert.fail(message ?? `returned ${String(returned)} and did not throw`);
    }),
    notThrows: one((body, message) => {
      try {
        return body();
      } catch (error) {
        return assert.fail(message ?? `threw ${String(error)}`);
      }
    }),
    throwsAsync: async (
      /** @type {any} */ work,
      /** @type {Expected} */ expected,
      /** @type {string} */ message,
    ) => {
      const outcome = await outcomeOf(work);
      return asserted(() => {
        if (!outcome.isRejected) return assert.fail(message ?? 'was fulfilled and not rejected');
        return matched(outcome.reason, expected, message);
      });
    },
    notThrowsAsync: async (/** @type {any} */ work, /** @type {string} */ message) => {
      const outcome = await outcomeOf(work);
      asserted(() => {
        if (outcome.isRejected)
          assert.fail(message ?? `was rejected with ${String(outcome.reason)}`);
      });
    },
  };
}

/** @param {unknown} value */
function isInvalidDate(value) {
  return value instanceof Date && Number.isNaN(value.getTime());
}

/** @param {unknown} actual @param {unknown} expected */
function differ(actual, expected) {
  return `${show(actual)} is not ${show(expected)}`;
}

/** @param {unknown} value */
function show(value) {
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}

/** @param {any} work A promise, or a function that returns one. */
async function outcomeOf(work) {
  try {
    await (typeof work === 'function' ? work() : work);
    return { isRejected: false, reason: undefined };
  } catch (reason) {
    return { isRejected: true, reason };
  }
}

/** The properties of `actual` that `selector` has. @param {any} actual @param {any} selector @returns {unknown} */
function select(actual, selector) {
  const isPlain = typeof selector === 'object' && selector !== null;
  if (!isPlain || isDeepStrictEqual(actual, selector)) return actual;
  if (typeof actual !== 'object' || actual === null) return actual;
  if (Array.isArray(selector) !== Array.isArray(actual)) return actual;
  const entries = Object.keys(selector).map((key) => [key, select(actual[key], selector[key])]);
  if (!Array.isArray(selector)) return Object.fromEntries(entries);
  return entries.map(([, value]) => value);
}

/** @param {any} error @param {Expected} [expected] @param {string} [message] */
function matched(error, expected = {}, message) {
  assert.ok(error instanceof Error, message ?? `threw ${show(error)}, which is no error`);
  if ('is' in expected) assert.strictEqual(error, expected.is, message);
  if ('code' in expected)
    assert.strictEqual(/** @type {any} */ (error).code, expected.code, message);
  if ('name' in expected) assert.strictEqual(error.name, expected.name, message);
  if (expected.instanceOf !== undefined) {
    assert.ok(error instanceof expected.instanceOf, message ?? `threw ${error.name}`);
  }
  const text = expected.message;
  if (typeof text === 'string') assert.strictEqual(error.message, text, message);
  else if (typeof text === 'function') assert.ok(text(error.message), message ?? error.message);
  else if (text !== undefined) assert.match(error.message, text, message);
  return error;
}
