// Counting the tests of a stage from what its runner really printed, and showing it for people:
// what passed in few words, what failed in full.

/**
 * @typedef {object} Result
 * @property {number} passed
 * @property {number} failed
 * @property {number} skipped
 * @property {number} [unsupported] By a capability that has a name: what the package refused, see
 * `__test__/by-capability/ava.mjs`, or what the system lacks, see `scripts/portable/capabilities.mjs`.
 *
 * @typedef {(line: string) => void} Show
 *
 * @typedef {object} Counter
 * @property {(line: string) => void} read Takes a line of the runner.
 * @property {(exitCode: number) => Result} end
 */

/** Cargo saying what it compiles. */
const CARGO_PROGRESS =
  /^ +(?:Updating|Locking|Adding|Downloading|Downloaded|Blocking|Compiling|Checking|Fresh|Finished)\b/;

/** A check is one test: it passes or it does not. @param {Show} show @returns {Counter} */
export function checkCounter(show) {
  return {
    read(line) {
      if (!CARGO_PROGRESS.test(line)) show(line);
    },
    end: (code) => ({ passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 }),
  };
}

/** libtest: one `test result:` line for each test binary. @param {Show} show @returns {Counter} */
export function cargoCounter(show) {
  const total = { passed: 0, failed: 0, skipped: 0 };
  let binary = '';
  let inFailures = false;
  return {
    read(line) {
      const running = line.match(/^ +(?:Running (?:unittests )?(\S+)|(Doc-tests) )/);
      const found = line.match(/^test result: .*?(\d+) passed; (\d+) failed; (\d+) ignored/);
      if (running !== null) binary = running[1] ?? running[2] ?? '';
      else if (found !== null) {
        inFailures = false;
        const [passed = 0, failed = 0, skipped = 0] = found.slice(1).map(Number);
        add(total, { passed, failed, skipped });
        show(`${binary}: ${summary({ passed, failed, skipped })}`);
      } else if (inFailures || !isPassedNoise(line)) {
        inFailures ||= line === 'failures:';
        show(line);
      }
    },
    end: (code) => settle(total, code, show),
  };
}

/** @param {string} line */
function isPassedNoise(line) {
  const isOk = /^$|^test .* \.\.\. ok$|^running \d+ tests?$|^all doctests/.test(line);
  return isOk || CARGO_PROGRESS.test(line);
}

/** The directive of `scripts/portable/run.mjs`. A test that is skipped without it has no capability. */
const UNSUPPORTED = /^ # SKIP unsupported, /;

/**
 * TAP: a line `ok` or `not ok` for each test.
 * @param {Show} show
 * @param {{ hasPlan?: boolean }} [options] `hasPlan`: the runner ends with the number of its tests;
 * without it, or with another number, it has ended before them.
 * @returns {Counter}
 */
export function tapCounter(show, { hasPlan = false } = {}) {
  let count = 0;
  let planned = hasPlan ? -1 : null;
  const total = { passed: 0, failed: 0, skipped: 0, unsupported: 0 };
  /** @type {Map<string, Result>} */
  const files = new Map();
  let last = 'tests';
  return {
    read(line) {
      if (/^# +unsupported: /.test(line)) {
        // The test of the line before.
        const one = { passed: -1, failed: 0, skipped: 0, unsupported: 1 };
        add(/** @type {Result} */ (files.get(last)), one);
        add(total, one);
        return;
      }
      const found = line.match(/^(not )?ok \d+ - (?:(.+?) › )?.*?( # (?:SKIP|TODO).*)?$/i);
      if (found === null) {
        const [, plan] = /^1\.\.(\d+)$/.exec(line) ?? [];
        if (plan !== undefined && hasPlan) planned = Number(plan);
        if (!/^(?:TAP version|1\.\.\d|# |\s*$)/.test(line)) show(line);
        return;
      }
      const [, not, file = 'tests', directive] = found;
      const one = { passed: 0, failed: 0, skipped: 0, unsupported: 0 };
      count += 1;
      if (directive === undefined) one[not === undefined ? 'passed' : 'failed'] = 1;
      else one[UNSUPPORTED.test(directive) ? 'unsupported' : 'skipped'] = 1;
      const counts = files.get(file) ?? { passed: 0, failed: 0, skipped: 0, unsupported: 0 };
      files.set(file, counts);
      last = file;
      add(counts, one);
      add(total, one);
      if (one.passed === 0) show(line);
    },
    end(code) {
      for (const file of [...files.keys()].toSorted()) {
        show(`${file}: ${summary(/** @type {Result} */ (files.get(file)))}`);
      }
      if (planned !== null && planned !== count) {
        show(`it ended after ${count} tests, before its last: a failure`);
        total.failed += 1;
      }
      return settle(total, code, show);
    },
  };
}

/**
 * `N passed, N failed`, and what was skipped or is unsupported, if anything.
 * @param {Result} result
 */
export function summary({ passed, failed, skipped, unsupported = 0 }) {
  const rest = Object.entries({ skipped, unsupported }).filter(([, count]) => count > 0);
  return [
    `${passed} passed, ${failed} failed`,
    ...rest.map(([name, count]) => `${count} ${name}`),
  ].join(', ');
}

/** @param {Result} total @param {Result} result */
export function add(total, result) {
  total.passed += result.passed;
  total.failed += result.failed;
  total.skipped += result.skipped;
  total.unsupported = (total.unsupported ?? 0) + (result.unsupported ?? 0);
}

/**
 * A runner that fails without a failed test (a crash, a build error), or that ran no test, counts
 * as one failure. It may run none where each of its tests is unsupported; a skipped one has to be
 * beside others that ran.
 * @param {Result} total @param {number} code @param {Show} show @returns {Result}
 */
function settle(total, code, show) {
  const { passed, failed, skipped, unsupported = 0 } = total;
  const ranNone = passed + failed === 0 && (unsupported === 0 || skipped > 0);
  if (!ranNone && (code === 0 || failed > 0)) return total;
  show(ranNone ? 'no test ran: a failure' : `exit code ${code} without a failed test: a failure`);
  return { ...total, failed: failed + 1 };
}
