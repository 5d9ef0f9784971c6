/** The turns that are measured: all long ones, and of short ones a sample that stands for all. */
import test from 'ava';
import { TurnSample } from '#internal';

/** Nanoseconds of a reading of the clock: turns below 24 µs are sampled. */
const READING = 40;
const MOST = 32;

interface Sampled {
  readonly turns: number;
  readonly measured: number;
  /** The turns that the measured ones stand for. */
  readonly weight: number;
  /** Their lengths, in nanoseconds. */
  readonly sum: number;
}

/** Turns of these lengths in nanoseconds, one after the other. */
function sampleOf(sample: TurnSample, turns: number, lengthOf: (turn: number) => number): Sampled {
  let [measured, weight, sum] = [0, 0, 0];
  for (let turn = 0; turn < turns; turn += 1) {
    if (sample.passes()) continue;
    measured += 1;
    weight += sample.weight;
    sum += sample.weight * lengthOf(turn);
    sample.measured(lengthOf(turn));
  }
  return { turns, measured, weight, sum };
}

test('long turns are all measured, and so are the first ones', (t) => {
  t.like(
    sampleOf(new TurnSample(READING), 10_000, () => 24_000),
    { measured: 10_000, weight: 10_000 },
  );
  t.like(
    sampleOf(new TurnSample(READING), 20, () => 500),
    { measured: 20, weight: 20 },
  );
});

test('with a coarse clock all turns are measured', (t) => {
  t.like(
    sampleOf(new TurnSample(0), 10_000, () => 0),
    { measured: 10_000 },
  );
});

test('of the shortest turns one in 32 is measured, and stands for 32', (t) => {
  const { measured, weight, turns } = sampleOf(new TurnSample(READING), 160_000, () => 500);
  t.true(measured < 160_000 / MOST + 100, String(measured));
  t.true(Math.abs(weight - turns) <= MOST, String(weight));
});

test('the measurements of turns of any length take half a percent of their time', (t) => {
  for (const length of [1000, 2000, 3000, 5000, 23_000]) {
    const { measured, turns } = sampleOf(new TurnSample(READING), 100_000, () => length);
    const share = (measured * 3 * READING) / (turns * length);
    t.true(share < 0.0053, `${length}: ${share}`);
  }
});

test('what the measured turns stand for is what has run, whatever its pattern', (t) => {
  const patterns: ((turn: number) => number)[] = [
    (turn) => (turn % 2 === 0 ? 1000 : 8000),
    (turn) => (turn % 16 === 3 ? 18_000 : 1200),
    (turn) => (turn % 1000 === 0 ? 200_000 : 1400),
    // Two regimes, short turns and long ones.
    (turn) => (turn % 4000 < 2000 ? 300 : 50_000),
  ];
  for (const [index, lengthOf] of patterns.entries()) {
    const turns = 1_000_000;
    const { weight, sum } = sampleOf(new TurnSample(READING), turns, lengthOf);
    let expected = 0;
    for (let turn = 0; turn < turns; turn += 1) expected += lengthOf(turn);
    t.true(Math.abs(sum / expected - 1) < 0.03, `${index}: ${sum / expected}`);
    t.true(Math.abs(weight - turns) <= MOST, `${index}: ${weight}`);
  }
});

test('one long turn does not end the sample', (t) => {
  const { measured } = sampleOf(new TurnSample(READING), 160_000, (turn) =>
    turn % 2000 === 0 ? 1e8 : 500,
  );
  t.true(measured < 160_000 / MOST + 1000, String(measured));
});

test('turns that become long are all measured, after one that is', (t) => {
  const sample = new TurnSample(READING);
  sampleOf(sample, 1000, () => 500);
  const { measured } = sampleOf(sample, 1000, () => 200_000);
  // The mean grows by three eighths at most for each measured turn.
  t.true(measured > 1000 - 16 * MOST, String(measured));
});
