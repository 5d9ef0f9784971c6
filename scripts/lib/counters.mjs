// Counting the tests of a stage from what its runner really printed.

/**
 * @typedef {object} Result
 * @property {number} passed
 * @property {number} failed
 * @property {number} skipped
 *
 * @typedef {object} Counter
 * @property {(line: string) => string | null} read Takes a line; gives what of it to show.
 * @property {(exitCode: number) => Result} end
 */

/** A check is one test: it passes or it does not. @returns {Counter} */
export function checkCounter() {
  return {
    read: (line) => line,
    end: (code) => ({ passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 }),
  };
}

/** libtest: one `test result:` line for each test binary. @returns {Counter} */
export function cargoCounter() {
  const result = { passed: 0, failed: 0, skipped: 0 };
  return {
    read(line) {
      const found = line.match(/^test result: .*?(\d+) passed; (\d+) failed; (\d+) ignored/);
      if (found === null) return /^test .* \.\.\. ok$|^\s*$|^running \d/.test(line) ? null : line;
      result.passed += Number(found[1]);
      result.failed += Number(found[2]);
      result.skipped += Number(found[3]);
      return line;
    },
    end: (code) => settle(result, code),
  };
}

/** TAP: a line `ok` or `not ok` for each test. @returns {Counter} */
export function tapCounter() {
  const result = { passed: 0, failed: 0, skipped: 0 };
  return {
    read(line) {
      const found = line.match(/^(not )?ok \d+ - .*?( # (?:SKIP|TODO).*)?$/i);
      if (found === null) return /^(# |TAP version|1\.\.|\s*$)/.test(line) ? null : line;
      if (found[2] !== undefined) result.skipped += 1;
      else if (found[1] === undefined) result.passed += 1;
      else result.failed += 1;
      return found[1] === undefined && found[2] === undefined ? null : line;
    },
    end: (code) => settle(result, code),
  };
}

/**
 * A runner that fails without a failed test (a crash, a build error), or that ran no test, counts
 * as one failure.
 * @param {Result} result @param {number} code @returns {Result}
 */
function settle(result, code) {
  const broken = (code !== 0 && result.failed === 0) || result.passed + result.failed === 0;
  return broken ? { ...result, failed: result.failed + 1 } : result;
}
