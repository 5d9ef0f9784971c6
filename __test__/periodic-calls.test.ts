/** The callback of a PeriodicCallback: arguments, overlap, errors, and which are refused. */
import test from 'ava';
import { PeriodicCallback, type Duration } from 'ioloop';
import { takeReports } from './helpers/loop.js';
import { pass, withPeriodics } from './helpers/periodic.js';

test.serial('an asynchronous callback never overlaps with itself', (t) =>
  withPeriodics(async (loop, clock) => {
    const calls: number[] = [];
    let inside = 0;
    let finish = (): void => {};
    const periodic = new PeriodicCallback(async () => {
      calls.push(clock.now);
      inside += 1;
      t.is(inside, 1);
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
      inside -= 1;
    }, 1000);
    periodic.start();
    await pass(loop, clock, 4.5);
    t.deepEqual(calls, [1]);
    finish();
    await pass(loop, clock, 5.5);
    t.deepEqual(calls, [1, 5]);
    finish();
    await pass(loop, clock, 6);
    t.deepEqual(calls, [1, 5, 6]);
    periodic.stop();
    finish();
  }),
);

/** Calls that fail, each in its own way. */
const FAILURES: readonly [string, () => unknown][] = [
  [
    'throws',
    () => {
      throw new Error('on purpose');
    },
  ],
  ['rejects', () => Promise.reject(new Error('on purpose'))],
  [
    'returns a thenable that rejects twice',
    () => ({
      // oxlint-disable-next-line unicorn/no-thenable
      then(_resolve: unknown, reject: (error: Error) => void): void {
        reject(new Error('on purpose'));
        reject(new Error('again'));
      },
    }),
  ],
];

for (const [how, callback] of FAILURES) {
  test.serial(`a callback that ${how} is reported once each time, and called again`, (t) =>
    withPeriodics(async (loop, clock) => {
      const periodic = new PeriodicCallback(callback, 1000);
      periodic.start();
      await pass(loop, clock, 3.5);
      periodic.stop();
      const reports = takeReports(loop);
      t.deepEqual(
        reports.map(({ error }) => (error as Error).message),
        ['on purpose', 'on purpose', 'on purpose'],
      );
      for (const report of reports) t.is(report.callback, callback);
    }),
  );
}

for (const result of [undefined, Promise.resolve()]) {
  const how = result === undefined ? 'returned' : 'resolved';
  test.serial(`a next call that an override refuses is reported (the callback has ${how})`, (t) =>
    withPeriodics(async (loop, clock) => {
      const { callAt } = loop;
      const periodic = new PeriodicCallback(() => {
        loop.callAt = () => {
          throw new Error('refused');
        };
        return result;
      }, 1000);
      periodic.start();
      await pass(loop, clock, 1.5);
      loop.callAt = callAt;
      const errors = takeReports(loop).map(({ error }) => (error as Error).message);
      t.deepEqual(errors, ['refused']);
      periodic.stop();
    }),
  );
}

/** The bad value, and the code of the error. */
const BAD_PERIODS: readonly [unknown, string][] = [
  [0, 'ERR_OUT_OF_RANGE'],
  [-1, 'ERR_OUT_OF_RANGE'],
  [NaN, 'ERR_OUT_OF_RANGE'],
  [Infinity, 'ERR_OUT_OF_RANGE'],
  [{ seconds: 0 }, 'ERR_OUT_OF_RANGE'],
  [{ seconds: -1 }, 'ERR_OUT_OF_RANGE'],
  [{}, 'ERR_INVALID_ARG_TYPE'],
  ['1000', 'ERR_INVALID_ARG_TYPE'],
  [null, 'ERR_INVALID_ARG_TYPE'],
  [undefined, 'ERR_INVALID_ARG_TYPE'],
  [1000n, 'ERR_INVALID_ARG_TYPE'],
  [Symbol('1'), 'ERR_INVALID_ARG_TYPE'],
];

test.serial('a period that is not finite and above 0 is refused by the constructor', (t) => {
  for (const [period, code] of BAD_PERIODS) {
    const error = t.throws(() => new PeriodicCallback(() => {}, period as number | Duration));
    t.like(error, { code }, String(period));
  }
});

test.serial('a jitter that is not from 0 to 1 is refused by the constructor', (t) => {
  const make = (jitter: unknown) => () =>
    new PeriodicCallback(() => {}, 1000, { jitter: jitter as number });
  for (const jitter of [-0.1, 1.1, 2, NaN, Infinity]) {
    t.like(t.throws(make(jitter)), { code: 'ERR_OUT_OF_RANGE' }, String(jitter));
  }
  for (const jitter of ['0.5', null, {}]) {
    if (jitter !== null) t.like(t.throws(make(jitter)), { code: 'ERR_INVALID_ARG_TYPE' });
  }
  for (const jitter of [0, 0.5, 1, undefined]) t.notThrows(make(jitter));
});

test.serial('a callback that is not a function is refused by the constructor', (t) => {
  for (const callback of [undefined, null, 1, 'x', {}]) {
    const error = t.throws(() => new PeriodicCallback(callback as never, 1000));
    t.like(error, { code: 'ERR_INVALID_ARG_TYPE' });
  }
});

test.serial('a callback is called without arguments', (t) =>
  withPeriodics(async (loop, clock) => {
    const periodic = new PeriodicCallback((...args: unknown[]) => {
      t.deepEqual(args, []);
    }, 1000);
    periodic.start();
    await pass(loop, clock, 1);
    periodic.stop();
    t.plan(1);
  }),
);
