/** Distributions of durations: what is read is what was recorded, within the stated precision. */
import test from 'ava';
import { array, assert, constantFrom, double, property } from 'fast-check';
import { DurationHistogram } from '#internal';

/** Nanoseconds, from one to more than the range. */
const durations = array(double({ min: 0, max: 2 ** 44, noNaN: true }), {
  minLength: 1,
  maxLength: 200,
});
const LARGEST = 2 ** 42 - 1;
const PRECISION = 0.004;

function histogramOf(values: readonly number[]): DurationHistogram {
  const histogram = new DurationHistogram();
  for (const value of values) histogram.record(value, 1);
  return histogram;
}

/** The value at a percentile, by sorting. */
function sortedAt(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.max(1, Math.ceil((percent * sorted.length) / 100)) - 1] as number;
}

test('without durations all numbers are 0', (t) => {
  const summary = new DurationHistogram().summary();
  t.deepEqual(
    Object.values(summary),
    Array.from({ length: 10 }, () => 0),
  );
  t.is(summary.percentile(100), 0);
  t.is(summary.countUntil(Infinity), 0);
  t.is(summary.toHistogram().count, 0);
});

test('count, sum, minimum, maximum and mean are exact', (t) => {
  assert(
    property(durations, (values) => {
      const { count, sum, min, max, mean } = histogramOf(values).summary();
      const total = values.reduce((one, other) => one + other, 0);
      t.is(count, values.length);
      t.is(sum, total / 1e9);
      t.is(min, Math.min(...values) / 1e9);
      t.is(max, Math.max(...values) / 1e9);
      t.is(mean, total / 1e9 / values.length);
    }),
  );
  t.pass();
});

test('percentiles are those of the sorted durations, within the precision', (t) => {
  const percents = constantFrom(0.1, 1, 7, 50, 90, 99, 99.9, 100);
  assert(
    property(durations, percents, (values, percent) => {
      const expected = sortedAt(values, percent);
      const found = 1e9 * histogramOf(values).summary().percentile(percent);
      if (expected >= LARGEST) t.true(found >= LARGEST * (1 - PRECISION));
      else t.true(Math.abs(found - expected) <= Math.max(0.5, PRECISION * expected), `${found}`);
    }),
  );
});

test('the standard deviation is that of the durations, within the precision', (t) => {
  const values = Array.from({ length: 1000 }, (_, at) => 1000 + 977 * at);
  const mean = values.reduce((one, other) => one + other, 0) / values.length;
  const squares = values.reduce((one, other) => one + (other - mean) ** 2, 0);
  const expected = Math.sqrt(squares / values.length);
  const { stddev } = histogramOf(values).summary();
  t.true(Math.abs(1e9 * stddev - expected) < PRECISION * expected);
  t.is(histogramOf([5, 5, 5]).summary().stddev < 1e-9, true);
});

test('durations are counted until a bound, without those right below it', (t) => {
  const summary = histogramOf([0, 900, 1000, 1e6, 2 ** 43]).summary();
  const counts = [-1, 0, 0.95e-6, 1.1e-6, 1, 3600, 2 ** 43 / 1e9, Infinity];
  t.deepEqual(
    counts.map((seconds) => summary.countUntil(seconds)),
    [0, 0, 2, 3, 4, 4, 5, 5],
  );
});

test('a summary does not change, is frozen, and crosses threads as numbers', (t) => {
  const histogram = histogramOf([1e6]);
  const summary = histogram.summary();
  histogram.record(1e9, 1);
  t.is(summary.percentile(100), 0.001);
  t.true(Object.isFrozen(summary));
  t.like(structuredClone(summary), { count: 1, p50: 0.001 });
  t.like(JSON.parse(JSON.stringify(summary)), { count: 1, max: 0.001 });
});

test('the histogram of Node has the same counts and percentiles', (t) => {
  const values = Array.from({ length: 3000 }, (_, at) => 1000 * (1 + (at % 37)) ** 2);
  const summary = histogramOf(values).summary();
  const histogram = summary.toHistogram();
  t.is(histogram.count, 3000);
  t.is(histogram.min, 1000);
  for (const percent of [1, 50, 90, 99]) {
    const ratio = histogram.percentile(percent) / (1e9 * summary.percentile(percent));
    t.true(Math.abs(ratio - 1) < 0.01, String(ratio));
  }
  t.true(Math.abs(histogram.mean / (1e9 * summary.mean) - 1) < 0.01);
  for (const few of [[0], [5, 5], [1, 2 ** 43]]) {
    t.is(histogramOf(few).summary().toHistogram().count, few.length);
  }
});

test('a percentile is a number above 0, at most 100', (t) => {
  const summary = histogramOf([1]).summary();
  for (const percent of [0, -1, 100.1, NaN]) {
    t.throws(() => summary.percentile(percent), { code: 'ERR_OUT_OF_RANGE', message: /percent/ });
  }
  t.throws(() => summary.percentile('50' as never), { code: 'ERR_INVALID_ARG_TYPE' });
  t.throws(() => summary.countUntil(NaN), { code: 'ERR_INVALID_ARG_TYPE' });
});
