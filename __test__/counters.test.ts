// How the commands count the tests of a runner: `scripts/lib/counters.mjs`.
import { fileURLToPath } from 'node:url';
import test from 'ava';

interface Result {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly unsupported?: number;
}
interface Counter {
  read(line: string): void;
  end(code: number): Result;
}
type Make = (show: (line: string) => void, options?: { hasPlan: boolean }) => Counter;

/** Compiled, this file is in `build/__test__`. */
const { cargoCounter, tapCounter } = (await import(
  fileURLToPath(new URL('../../scripts/lib/counters.mjs', import.meta.url))
)) as { readonly cargoCounter: Make; readonly tapCounter: Make };

const PASSED = 'ok 1 - file › passes';
const SKIPPED = 'ok 2 - file › needs a command # SKIP';
const UNSUPPORTED = 'ok 3 - file › needs a FIFO # SKIP unsupported, needs: FIFOs';

function count(make: Make, lines: readonly string[], code = 0, hasPlan = false): Result {
  const counter = make(() => {}, { hasPlan });
  for (const line of lines) counter.read(line);
  return counter.end(code);
}

test('each outcome is counted apart', (t) => {
  const lines = [PASSED, SKIPPED, UNSUPPORTED, 'not ok 4 - file › fails'];
  t.deepEqual(count(tapCounter, lines, 1), { passed: 1, failed: 1, skipped: 1, unsupported: 1 });
});

test('no test is a failure, and so are tests that are all skipped', (t) => {
  for (const lines of [[], [SKIPPED], [SKIPPED, UNSUPPORTED]]) {
    t.is(count(tapCounter, lines).failed, 1, lines.join('\n'));
  }
  t.is(count(cargoCounter, []).failed, 1);
  t.is(count(cargoCounter, ['test result: ok. 0 passed; 0 failed; 3 ignored;']).failed, 1);
  t.is(count(cargoCounter, ['test result: ok. 1 passed; 0 failed; 3 ignored;']).failed, 0);
});

test('tests that are all unsupported are no failure', (t) => {
  const result = { passed: 0, failed: 0, skipped: 0, unsupported: 1 };
  t.deepEqual(count(tapCounter, [UNSUPPORTED]), result);
  // As `__test__/by-capability` writes it: the test passes, and the line behind it corrects that.
  t.deepEqual(count(tapCounter, [PASSED, '#   unsupported: addHandler()']), result);
});

test('an exit code without a failed test is a failure', (t) => {
  t.is(count(tapCounter, [PASSED], 1).failed, 1);
  t.is(count(tapCounter, [UNSUPPORTED], 1).failed, 1);
  t.is(count(cargoCounter, ['test result: ok. 1 passed; 0 failed; 0 ignored;'], 101).failed, 1);
});

test('a runner that ends before its last test is a failure', (t) => {
  t.is(count(tapCounter, [PASSED, '1..1'], 0, true).failed, 0);
  t.is(count(tapCounter, [PASSED, '1..2'], 0, true).failed, 1);
  t.is(count(tapCounter, [PASSED], 0, true).failed, 1);
});
