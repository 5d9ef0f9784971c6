/** `start()` and `stop()` of a PeriodicCallback, in and outside of its callback. */
import test from 'ava';
import { IOLoop, PeriodicCallback } from 'ioloop';
import { runTurns } from './helpers/loop.js';
import { pass, withPeriodics } from './helpers/periodic.js';

/** An asynchronous callback, whose calls are under way until they are finished. */
class Task {
  calls = 0;
  finish = (): void => {};

  readonly run = (): Promise<void> => {
    this.calls += 1;
    return new Promise((resolve) => {
      this.finish = resolve;
    });
  };
}

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

test.serial('isRunning() is true from start() to stop()', (t) =>
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
    const task = new Task();
    const periodic = new PeriodicCallback(task.run, 1000);
    periodic.start();
    await pass(loop, clock, 1);
    periodic.stop();
    task.finish();
    await pass(loop, clock, 4);
    t.is(task.calls, 1);
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
    const task = new Task();
    const periodic = new PeriodicCallback(task.run, 1000);
    await withPeriodics(async (loop, clock) => {
      periodic.start();
      await pass(loop, clock, 1);
    });
    task.finish();
    await Promise.resolve();
    periodic.stop();
    await withPeriodics(async (loop, clock) => {
      periodic.start();
      await pass(loop, clock, 1);
      periodic.stop();
    });
    t.is(task.calls, 2);
  },
);
