/** Clocks that step, fail and lie: timeouts that are added afterwards fire on time. */
import { performance } from 'node:perf_hooks';
import test, { type ExecutionContext } from 'ava';
import { IOLoop, PeriodicCallback } from 'ioloop';
import { runChild } from './helpers/child.js';
import { until } from './helpers/fds.js';
import { asleep, takeReports, withLoop, type ReportingLoop } from './helpers/loop.js';

/** A clock that goes, and can be set. Seconds. */
class SteppingClock {
  offset = 1e6;
  /** What the next readings give instead. */
  lie: (() => unknown) | null = null;

  readonly time = (): number => {
    if (this.lie !== null) return this.lie() as number;
    return performance.now() / 1e3 + this.offset;
  };
}

function withClock(
  body: (loop: ReportingLoop, clock: SteppingClock) => Promise<void>,
): Promise<void> {
  const clock = new SteppingClock();
  return withLoop(
    async (loop) => {
      const running = loop.start();
      await body(loop, clock);
      loop.stop();
      await running;
    },
    { timeFunc: clock.time },
  );
}

/** Milliseconds that a timeout of 20 ms takes, in a loop that nothing else wakes. */
async function timeoutTakes(loop: IOLoop): Promise<number> {
  const begun = performance.now();
  let taken = 0;
  loop.callLater(0.02, () => {
    taken = performance.now() - begun;
  });
  await until(() => taken > 0, 'a timeout of 20 ms');
  return taken;
}

/** A wake-up of a machine that is busy. */
const LATEST = 2_000;

async function turnOf(loop: IOLoop): Promise<void> {
  await new Promise<void>((resolve) => {
    loop.addCallback(resolve);
  });
}

for (const step of [2_000, -2_000, 3_600 * 24 * 365, -3_600 * 24 * 365]) {
  test(`a step of ${step} s, then a turn, then a timeout: it fires on time`, async (t) => {
    await withClock(async (loop, clock) => {
      loop.callLater(1_000, () => {});
      await turnOf(loop);
      clock.offset += step;
      await turnOf(loop);
      t.true((await timeoutTakes(loop)) < LATEST);
    });
  });

  test(`a step of ${step} s after a burst of timeouts: the next fires on time`, async (t) => {
    await withClock(async (loop, clock) => {
      let fired = 0;
      const at = loop.time() + 0.01;
      for (let count = 0; count < 16; count += 1) {
        loop.callAt(at, () => {
          fired += 1;
        });
      }
      await until(() => fired === 16, 'the burst');
      clock.offset += step;
      t.true((await timeoutTakes(loop)) < LATEST);
    });
  });
}

test('a step forward by less than the wait that is left is noticed with the next turn', async (t) => {
  await withClock(async (loop, clock) => {
    let fired = false;
    loop.callLater(1_000, () => {
      fired = true;
    });
    await turnOf(loop);
    clock.offset += 999.95;
    await turnOf(loop);
    const begun = performance.now();
    await until(() => fired, 'the timeout');
    t.true(performance.now() - begun < LATEST);
  });
});

test('steps at random in both directions: each timeout that is added fires on time', async (t) => {
  await withClock(async (loop, clock) => {
    for (let round = 0; round < 30; round += 1) {
      loop.callLater(10 ** (round % 7), () => {});
      clock.offset += (round % 2 === 0 ? 1 : -1) * 7 ** (round % 9);
      if (round % 3 === 0) await turnOf(loop);
      t.true((await timeoutTakes(loop)) < LATEST, `round ${round}`);
    }
  });
});

const LIES: readonly [string, () => unknown][] = [
  [
    'throws',
    () => {
      throw new Error('no time');
    },
  ],
  ['gives NaN', () => Number.NaN],
  ['gives Infinity', () => Number.POSITIVE_INFINITY],
  ['gives -Infinity', () => Number.NEGATIVE_INFINITY],
  ['gives a string', () => '5'],
  ['gives a BigInt', () => 5n],
  ['gives nothing', () => undefined],
];

for (const [what, lie] of LIES) {
  test(`a timeFunc that ${what} is reported once, and the loop goes on with the last good time`, async (t) => {
    await withClock(async (loop, clock) => {
      await turnOf(loop);
      const before = loop.time();
      clock.lie = lie;
      for (let turn = 0; turn < 50; turn += 1) await turnOf(loop);
      const at = loop.time();
      t.true(at >= before && at < before + LATEST / 1e3);
      t.is(loop.time(), at);
      await reportedOnce(t, loop);
      clock.lie = null;
      t.true((await timeoutTakes(loop)) < LATEST);
    });
  });

  test(`a timeFunc that ${what} at first fails new IOLoop()`, (t) => {
    const error = t.throws(() => new IOLoop({ makeCurrent: false, timeFunc: lie as never }), {
      any: true,
    }) as Error & { code?: string };
    if (what === 'throws') t.is(error.message, 'no time');
    else t.is(error.code, 'ERR_INVALID_ARG_VALUE');
  });
}

async function reportedOnce(t: ExecutionContext, loop: ReportingLoop): Promise<void> {
  await turnOf(loop);
  const reports = takeReports(loop);
  t.true(reports.length === 1 || (reports.length === 2 && performance.now() > LATEST));
  t.is(reports[0]?.callback, null);
}

test('a PeriodicCallback outlives a timeFunc that throws for a while', async (t) => {
  await withClock(async (loop, clock) => {
    let calls = 0;
    const periodic = new PeriodicCallback(async () => {
      calls += 1;
      clock.lie = null;
      await Promise.resolve();
      if (calls % 2 === 1) clock.lie = LIES[0]?.[1] ?? null;
      setTimeout(() => {
        clock.lie = null;
      }, 5);
    }, 10);
    loop.addCallback(() => {
      periodic.start();
    });
    await until(() => calls >= 6, 'six calls');
    periodic.stop();
    const reports = takeReports(loop);
    t.true(reports.length > 0, 'the clock has failed');
    for (const { error } of reports) t.is((error as Error).message, 'no time');
  });
});

test('what handleCallbackException throws for a clock that lies is uncaught, and the loop goes on', async (t) => {
  const result = await runChild(`
    import { IOLoop } from 'ioloop';
    let lies = false;
    const uncaught = [];
    process.on('uncaughtException', (error) => uncaught.push(error.message));
    const timeFunc = () => (lies ? NaN : performance.now() / 1e3);
    const loop = new IOLoop({ timeFunc });
    loop.handleCallbackException = () => {
      throw new Error('and that');
    };
    await loop.runSync(async () => {
      lies = true;
      loop.callLater(0, () => {});
      // The failure is uncaught in a tick of its own. Then ten turns, in each of which it could be so again.
      while (uncaught.length === 0) await new Promise((resolve) => loop.addCallback(resolve));
      for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => loop.addCallback(resolve));
      lies = false;
      await new Promise((resolve) => loop.callLater(0.01, resolve));
    });
    console.log(JSON.stringify(uncaught));
  `);
  t.is(result.code, 0, result.stderr);
  t.deepEqual(JSON.parse(result.stdout), [
    'handleCallbackException failed while it handled an error',
  ]);
});

test('a timeout that the timeFunc adds while the loop goes to sleep fires', async (t) => {
  await withClock(async (loop, clock) => {
    await turnOf(loop);
    let fired = false;
    // Its clock is read next when the submissions are handed over.
    await asleep(loop);
    loop.callAt(loop.time() + 1_000, () => {});
    const { time } = clock;
    clock.lie = () => {
      clock.lie = null;
      loop.callAt(time() + 0.01, () => {
        fired = true;
      });
      return time();
    };
    await until(() => fired, 'the timeout');
    t.true(fired);
  });
});
