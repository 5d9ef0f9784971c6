/** Timeouts of `runSync`, and the signal that they abort. */
import { setTimeout as timeout } from 'node:timers/promises';
import test from 'ava';
import { TimeoutError } from 'ioloop';
import { nodeTurns } from './helpers/fds.js';
import { deferred } from './helpers/deferred.js';
import { countTurns, runTurns, withFakeTime, withLoop } from './helpers/loop.js';

test('a timeout that has expired rejects with a TimeoutError that names it', (t) =>
  withLoop(async (loop) => {
    const done = loop.runSync(() => new Promise(() => {}), { timeout: 0.002 });
    const error = await t.throwsAsync(done, { instanceOf: TimeoutError });
    t.is(error.message, 'Operation timed out after 0.002 seconds');
    t.is(error.name, 'TimeoutError');
    t.like(error, { code: 'ERR_IOLOOP_TIMEOUT' });
    t.false(loop.running);
  }));

test('a timeout may be a duration', (t) =>
  withLoop(async (loop) => {
    const done = loop.runSync(() => new Promise(() => {}), { timeout: { milliseconds: 2 } });
    await t.throwsAsync(done, { message: 'Operation timed out after 0.002 seconds' });
  }));

test('a timeout of 0, or below, expires a function that waits', (t) =>
  withLoop(async (loop) => {
    for (const seconds of [0, -1]) {
      const done = loop.runSync(() => new Promise(() => {}), { timeout: seconds });
      await t.throwsAsync(done, { message: `Operation timed out after ${seconds} seconds` });
    }
  }));

test('a synchronous function succeeds with a timeout of 0, or below', (t) =>
  withLoop(async (loop) => {
    let ran = 0;
    for (const seconds of [0, -1]) {
      await loop.runSync(
        () => {
          ran += 1;
        },
        { timeout: seconds },
      );
    }
    t.is(ran, 2);
  }));

test('a function that blocks for longer than the timeout, and is done, succeeds', (t) =>
  withFakeTime(async (loop, clock) => {
    const done = loop.runSync(
      () => {
        clock.advance(10);
      },
      { timeout: 1 },
    );
    t.is(await done, undefined);
  }));

test('a timeout that does not expire is removed', (t) =>
  withFakeTime(async (loop, clock) => {
    t.is(await loop.runSync(async () => 'in time', { timeout: 1 }), 'in time');
    clock.advance(10);
    await runTurns(loop, 3);
    t.is(await loop.runSync(async () => 'again', { timeout: Infinity }), 'again');
  }));

test('an expired timeout aborts the signal, with the TimeoutError as its reason', (t) =>
  withLoop(async (loop) => {
    let reason: unknown;
    const done = loop.runSync(
      (signal) =>
        new Promise((_resolve, reject) => {
          t.false(signal.aborted);
          signal.addEventListener('abort', () => {
            ({ reason } = signal);
            reject(signal.reason as Error);
          });
        }),
      { timeout: 0.002 },
    );
    await t.throwsAsync(done, { instanceOf: TimeoutError });
    t.true(reason instanceof TimeoutError);
  }));

test("the signal ends Node's own functions", (t) =>
  withLoop(async (loop) => {
    const done = loop.runSync((signal) => timeout(3_600_000, null, { signal }), {
      timeout: 0.002,
    });
    await t.throwsAsync(done, { instanceOf: TimeoutError });
  }));

test('the signal is not aborted when the function is done in time', (t) =>
  withLoop(async (loop) => {
    const signal = await loop.runSync(async (mine) => mine, { timeout: 60 });
    await runTurns(loop);
    t.false(signal.aborted);
  }));

test('a function that takes the signal is awaited while it cleans up', (t) =>
  withFakeTime(async (loop, clock) => {
    const order: string[] = [];
    const done = loop.runSync(
      async (signal) => {
        clock.advance(5);
        try {
          await timeout(3_600_000, null, { signal });
        } finally {
          await nodeTurns(5);
          order.push('cleaned up');
        }
      },
      { timeout: 5 },
    );
    await t.throwsAsync(done, { instanceOf: TimeoutError });
    t.deepEqual(order, ['cleaned up']);
  }));

test('what the clean-up throws is the cause of the TimeoutError', (t) =>
  withLoop(async (loop) => {
    const cause = new Error('while cleaning up');
    const done = loop.runSync(
      (signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            reject(cause);
          });
        }),
      { timeout: 0.002 },
    );
    const error = await t.throwsAsync(done, { instanceOf: TimeoutError });
    t.is(error.cause, cause);
  }));

test('a function that takes the signal and does not end has as long again', (t) =>
  withFakeTime(async (loop, clock) => {
    const aborted: number[] = [];
    const done = loop.runSync(
      (signal) => {
        signal.addEventListener('abort', () => {
          aborted.push(clock.now);
          loop.addCallback(tick, 5);
        });
        loop.addCallback(tick, 5);
        return new Promise(() => {});
      },
      { timeout: 5 },
    );
    const tick = (seconds: number): void => {
      clock.advance(seconds);
      // The clock is looked at when a turn begins.
      loop.addCallback(() => {});
    };
    await t.throwsAsync(done, { message: 'Operation timed out after 5 seconds' });
    t.deepEqual(aborted, [5]);
    t.is(clock.now, 10);
  }));

test('a function that ignores the signal has one turn', (t) =>
  withFakeTime(async (loop, clock) => {
    const counter = countTurns(loop);
    let expired = 0;
    const done = loop.runSync(
      () => {
        clock.advance(5);
        loop.callAt(5, () => {
          expired = counter.turn;
        });
        return new Promise(() => {});
      },
      { timeout: 5 },
    );
    await t.throwsAsync(done, { message: 'Operation timed out after 5 seconds' });
    t.is(counter.turn, expired + 1);
  }));

test('a result that comes after the timeout does not stop a later run', (t) =>
  withLoop(async (loop) => {
    const { promise, resolve } = deferred<string>();
    await t.throwsAsync(
      loop.runSync(() => promise, { timeout: 0 }),
      { instanceOf: TimeoutError },
    );
    const later = loop.runSync(async () => {
      resolve('late');
      await nodeTurns(3);
      return 'mine';
    });
    t.is(await later, 'mine');
  }));
