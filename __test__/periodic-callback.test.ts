/** When a PeriodicCallback calls: periods, the grid, jitter. Decision 19 of the design. */
import test, { type ExecutionContext } from 'ava';
import { PeriodicCallback } from 'ioloop';
import { runTurns } from './helpers/loop.js';
import { pass, STEP, withPeriodics } from './helpers/periodic.js';

test.serial('the first call comes one period after start()', (t) =>
  withPeriodics(async (loop, clock) => {
    const calls: number[] = [];
    const periodic = new PeriodicCallback(() => calls.push(clock.now), 1000);
    periodic.start();
    await runTurns(loop, 2);
    t.deepEqual(calls, []);
    await pass(loop, clock, 3.5);
    t.deepEqual(calls, [1, 2, 3]);
    periodic.stop();
  }),
);

test.serial('the period is in milliseconds, or a duration', (t) =>
  withPeriodics(async (loop, clock) => {
    const calls: string[] = [];
    const log = (name: string) => () => calls.push(`${name} ${clock.now}`);
    const periodics = [
      new PeriodicCallback(log('number'), 500),
      new PeriodicCallback(log('duration'), { seconds: 0.5 }),
      new PeriodicCallback(log('both'), { seconds: 1, milliseconds: -250 }),
    ];
    for (const periodic of periodics) periodic.start();
    await pass(loop, clock, 1);
    t.deepEqual(calls, ['number 0.5', 'duration 0.5', 'both 0.75', 'number 1', 'duration 1']);
    for (const periodic of periodics) periodic.stop();
  }),
);

test.serial('a callback that blocks skips the periods it missed, and stays on the grid', (t) =>
  withPeriodics(async (loop, clock) => {
    const calls: number[] = [];
    const periodic = new PeriodicCallback(() => {
      calls.push(clock.now);
      if (calls.length === 2) clock.advance(2.5);
    }, 1000);
    periodic.start();
    await pass(loop, clock, 7.5);
    t.deepEqual(calls, [1, 2, 5, 6, 7]);
    periodic.stop();
  }),
);

test.serial('a loop that was late is back on the grid with the next call', (t) =>
  withPeriodics(async (loop, clock) => {
    const calls: number[] = [];
    const periodic = new PeriodicCallback(() => calls.push(clock.now), 1000);
    periodic.start();
    clock.now = 1.75;
    await runTurns(loop);
    await pass(loop, clock, 3);
    t.deepEqual(calls, [1.75, 2, 3]);
    periodic.stop();
  }),
);

test.serial('after a long sleep of the computer there is one call, not a burst', (t) =>
  withPeriodics(async (loop, clock) => {
    const calls: number[] = [];
    const periodic = new PeriodicCallback(() => calls.push(clock.now), 1000);
    periodic.start();
    clock.now = 100_000.25;
    await runTurns(loop, 5);
    await pass(loop, clock, 100_002);
    t.deepEqual(calls, [100_000.25, 100_001, 100_002]);
    periodic.stop();
  }),
);

test.serial('a clock that goes back causes no call twice', (t) =>
  withPeriodics(async (loop, clock) => {
    const calls: number[] = [];
    const periodic = new PeriodicCallback(() => {
      calls.push(clock.now);
      if (calls.length === 2) clock.now = 0;
    }, 1000);
    periodic.start();
    await pass(loop, clock, 2);
    await pass(loop, clock, 4);
    t.deepEqual(calls, [1, 2, 3, 4]);
    periodic.stop();
  }),
);

/** Runs `body` while `Math.random` gives `value`. */
async function withRandom(value: () => number, body: () => Promise<unknown>): Promise<void> {
  const { random } = Math;
  Math.random = value;
  try {
    await body();
  } finally {
    Math.random = random;
  }
}

async function callsWithJitter(
  t: ExecutionContext,
  jitter: number,
  random: () => number,
): Promise<number[]> {
  const calls: number[] = [];
  await withRandom(random, () =>
    withPeriodics(async (loop, clock) => {
      const periodic = new PeriodicCallback(() => calls.push(clock.now), 1000, { jitter });
      periodic.start();
      await pass(loop, clock, 5.75);
      periodic.stop();
      t.false(periodic.isRunning());
    }),
  );
  return calls;
}

test.serial('jitter moves a call by up to its part of half a period, either way', async (t) => {
  t.deepEqual(await callsWithJitter(t, 0.5, () => 0), [0.75, 1.75, 2.75, 3.75, 4.75, 5.75]);
  t.deepEqual(await callsWithJitter(t, 0.5, () => 0.5), [1, 2, 3, 4, 5]);
  t.deepEqual(await callsWithJitter(t, 0.5, () => 1), [1.25, 2.25, 3.25, 4.25, 5.25]);
  t.deepEqual(await callsWithJitter(t, 0, () => 1), [1, 2, 3, 4, 5]);
});

test.serial('jitter leaves the grid where it is: one call for each of its points', async (t) => {
  let seed = 7;
  const random = (): number => {
    seed = (seed * 48_271) % 0x7fff_ffff;
    return seed / 0x7fff_ffff;
  };
  for (let round = 0; round < 10; round += 1) {
    const calls = await callsWithJitter(t, 1, random);
    t.true(calls.length === 5 || calls.length === 6, String(calls));
    for (const [at, call] of calls.entries()) {
      t.true(Math.abs(call - (at + 1)) <= 0.5 + STEP, String(calls));
    }
  }
});
