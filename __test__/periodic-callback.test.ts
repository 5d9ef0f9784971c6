/** PeriodicCallback: decision 19 of the design. The clock is ours, so nothing is waited for. */
import test, { type ExecutionContext } from 'ava';
import { IOLoop, PeriodicCallback, type Duration } from 'ioloop';
import {
  runTurns,
  takeReports,
  withFakeTime,
  type FakeClock,
  type ReportingLoop,
} from './helpers/loop.js';

/** A loop that is current, on a clock that stands at 0. */
function withPeriodics(
  body: (loop: ReportingLoop, clock: FakeClock) => Promise<unknown>,
): Promise<unknown> {
  return withFakeTime(async (loop, clock) => {
    const previous = IOLoop.current(false);
    loop.makeCurrent();
    try {
      await body(loop, clock);
    } finally {
      if (previous === null) IOLoop.clearCurrent();
      else previous.makeCurrent();
    }
  });
}

/** Lets time pass up to `until` in steps of a sixteenth of a second, with a turn at each. */
async function pass(loop: IOLoop, clock: FakeClock, until: number): Promise<void> {
  while (clock.now < until) {
    clock.advance(STEP);
    await runTurns(loop);
  }
}

const STEP = 1 / 16;

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

test.serial('start() of a started timer does nothing', (t) =>
  withPeriodics(async (loop, clock) => {
    const calls: number[] = [];
    const periodic = new PeriodicCallback(() => calls.push(clock.now), 1000);
    periodic.start();
    clock.now = 0.5;
    periodic.start();
    periodic.start();
    await pass(loop, clock, 2.5);
    t.deepEqual(calls, [1, 2]);
    periodic.stop();
  }),
);

test.serial('isRunning() tells whether the timer was started and not stopped', (t) =>
  withPeriodics(async (loop, clock) => {
    const seen: boolean[] = [];
    const periodic: PeriodicCallback = new PeriodicCallback(
      () => seen.push(periodic.isRunning()),
      1000,
    );
    t.false(periodic.isRunning());
    periodic.start();
    t.true(periodic.isRunning());
    await pass(loop, clock, 1);
    t.deepEqual(seen, [true]);
    periodic.stop();
    t.false(periodic.isRunning());
  }),
);

test.serial('stop() is safe before start(), and twice', (t) =>
  withPeriodics(async (loop, clock) => {
    const periodic = new PeriodicCallback(() => t.fail(), 1000);
    periodic.stop();
    periodic.start();
    periodic.stop();
    periodic.stop();
    await pass(loop, clock, 3);
    t.false(periodic.isRunning());
  }),
);

test.serial('stop() in the callback makes this call the last', (t) =>
  withPeriodics(async (loop, clock) => {
    let calls = 0;
    const periodic = new PeriodicCallback(() => {
      calls += 1;
      periodic.stop();
    }, 1000);
    periodic.start();
    await pass(loop, clock, 4);
    t.is(calls, 1);
  }),
);

test.serial('stop() while an asynchronous callback is under way makes this call the last', (t) =>
  withPeriodics(async (loop, clock) => {
    let calls = 0;
    let finish = (): void => {};
    const periodic = new PeriodicCallback(() => {
      calls += 1;
      return new Promise<void>((resolve) => {
        finish = resolve;
      });
    }, 1000);
    periodic.start();
    await pass(loop, clock, 1);
    periodic.stop();
    finish();
    await pass(loop, clock, 4);
    t.is(calls, 1);
  }),
);

test.serial('a stopped timer can be started again, on a new grid', (t) =>
  withPeriodics(async (loop, clock) => {
    const calls: number[] = [];
    const periodic = new PeriodicCallback(() => calls.push(clock.now), 1000);
    periodic.start();
    await pass(loop, clock, 1.5);
    periodic.stop();
    await pass(loop, clock, 2.25);
    periodic.start();
    await pass(loop, clock, 4.5);
    t.deepEqual(calls, [1, 3.25, 4.25]);
    periodic.stop();
  }),
);

test.serial('a restart in its own callback leaves one timer, not two', (t) =>
  withPeriodics(async (loop, clock) => {
    const calls: number[] = [];
    const periodic = new PeriodicCallback(() => {
      calls.push(clock.now);
      periodic.stop();
      periodic.start();
    }, 1000);
    periodic.start();
    await pass(loop, clock, 4.5);
    t.deepEqual(calls, [1, 2, 3, 4]);
    periodic.stop();
  }),
);

test.serial('a restart while an asynchronous callback is under way leaves one timer', (t) =>
  withPeriodics(async (loop, clock) => {
    const calls: number[] = [];
    let finish = (): void => {};
    const periodic = new PeriodicCallback(() => {
      calls.push(clock.now);
      if (calls.length > 1) return undefined;
      return new Promise<void>((resolve) => {
        finish = resolve;
      });
    }, 1000);
    periodic.start();
    await pass(loop, clock, 1.5);
    periodic.stop();
    periodic.start();
    finish();
    await pass(loop, clock, 4);
    t.deepEqual(calls, [1, 2.5, 3.5]);
    periodic.stop();
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

test.serial('what is no function is refused by the constructor', (t) => {
  for (const callback of [undefined, null, 1, 'x', {}]) {
    const error = t.throws(() => new PeriodicCallback(callback as never, 1000));
    t.like(error, { code: 'ERR_INVALID_ARG_TYPE' });
  }
});

test.serial('a timer belongs to the loop that is current when it starts', (t) =>
  withPeriodics((first, clock) => {
    const periodic = new PeriodicCallback(() => {
      t.is(IOLoop.current(), first);
    }, 1000);
    periodic.start();
    return withPeriodics(async (second) => {
      clock.now = 5;
      await runTurns(second);
      await runTurns(first);
      periodic.stop();
      t.plan(1);
    });
  }),
);

test.serial(
  'a timer whose loop was closed is over, and can be stopped and started elsewhere',
  async (t) => {
    let calls = 0;
    let finish = (): void => {};
    const periodic = new PeriodicCallback(() => {
      calls += 1;
      return new Promise<void>((resolve) => {
        finish = resolve;
      });
    }, 1000);
    await withPeriodics(async (loop, clock) => {
      periodic.start();
      await pass(loop, clock, 1);
    });
    finish();
    await Promise.resolve();
    periodic.stop();
    await withPeriodics(async (loop, clock) => {
      periodic.start();
      await pass(loop, clock, 1);
      periodic.stop();
    });
    t.is(calls, 2);
  },
);

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
