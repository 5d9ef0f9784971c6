/** resetTimeout and timeout.refresh(): pending, due and past timeouts, another loop's, and a loop that sleeps. */
import test from 'ava';
import { IOLoop, type Timeout } from 'ioloop';
import { MANY_TIMERS } from './helpers/capacities.js';
import { deferred } from './helpers/deferred.js';
import { asleep, onLoop, runTurns, withFakeTime } from './helpers/loop.js';

test('a timeout that is put off runs once, at its new deadline, with its arguments', (t) =>
  withFakeTime(
    async (loop, clock) => {
      const run: string[] = [];
      const add = (name: string): Timeout =>
        loop.callLater(2, (text: string) => run.push(text), name);
      const [first, second] = [add('first'), add('second')];
      clock.advance(1);
      t.true(loop.resetTimeout(first, 1));
      t.true(loop.resetTimeout(second, { seconds: 2 }));
      t.true(loop.resetTimeout(second, 1.5));
      clock.advance(1);
      await runTurns(loop);
      t.deepEqual(run, ['first']);
      t.false(loop.resetTimeout(first, 0));
      clock.advance(0.5);
      await runTurns(loop, 2);
      t.deepEqual(run, ['first', 'second']);
    },
    0,
    MANY_TIMERS,
  ));

test('a timeout that is due and has not run can be put off; one that runs cannot', (t) =>
  withFakeTime(
    async (loop, clock) => {
      const run: string[] = [];
      const timeouts: Record<string, Timeout> = {};
      const add = (name: string, after: number, body: () => void = () => {}): void => {
        timeouts[name] = loop.callLater(after, () => {
          run.push(name);
          body();
        });
      };
      const reset = (name: string, delay: number): boolean =>
        loop.resetTimeout(timeouts[name] as Timeout, delay);
      add('first', 1, () => {
        t.false(reset('first', 1));
        t.true(reset('second', 5));
        t.true(reset('third', -1));
        loop.removeTimeout(timeouts['fourth'] as Timeout);
        t.false(reset('fourth', 1));
      });
      for (const name of ['second', 'third', 'fourth']) add(name, 1);
      clock.advance(1);
      await runTurns(loop);
      t.deepEqual(run, ['first']);
      await runTurns(loop);
      t.deepEqual(run, ['first', 'third']);
      clock.advance(5);
      await runTurns(loop);
      t.deepEqual(run, ['first', 'third', 'second']);
    },
    0,
    MANY_TIMERS,
  ));

test('timeouts of other loops, closed loops and wrong arguments', (t) => {
  const [loop, other] = [0, 1].map(() => new IOLoop({ makeCurrent: false })) as [IOLoop, IOLoop];
  const timeout = loop.callLater(1, () => {});
  t.false(other.resetTimeout(timeout, 1));
  t.false(
    loop.resetTimeout(
      loop.callLater(Infinity, () => {}),
      1,
    ),
  );
  t.throws(() => loop.resetTimeout(5 as never, 1), { code: 'ERR_INVALID_ARG_TYPE' });
  t.throws(() => loop.resetTimeout(timeout, NaN), { code: 'ERR_INVALID_ARG_TYPE' });
  t.throws(() => loop.resetTimeout(timeout, Infinity), { code: 'ERR_OUT_OF_RANGE' });
  t.true(loop.resetTimeout(timeout, 1));
  loop.close();
  other.close();
  t.false(loop.resetTimeout(timeout, 1));
});

test('refresh() puts a timeout off by the delay that it was added or last reset with', (t) =>
  withFakeTime(
    async (loop, clock) => {
      const run: string[] = [];
      const later = loop.callLater(2, (name: string) => run.push(name), 'later');
      const duration = loop.addTimeout({ seconds: 3 }, () => run.push('duration'));
      clock.advance(1);
      t.true(later.refresh());
      t.true(duration.refresh());
      clock.advance(2);
      await runTurns(loop);
      t.deepEqual(run, ['later']);
      t.false(later.refresh());
      t.true(loop.resetTimeout(duration, 0.5));
      clock.advance(0.25);
      t.true(duration.refresh());
      clock.advance(0.25);
      await runTurns(loop);
      t.deepEqual(run, ['later']);
      clock.advance(0.25);
      await runTurns(loop, 2);
      t.deepEqual(run, ['later', 'duration']);
    },
    0,
    MANY_TIMERS,
  ));

test('refresh() is never early: a delay that 24 bits do not hold is rounded up', (t) =>
  withFakeTime(async (loop, clock) => {
    let ran = 0;
    for (const delay of [0.1, 0.7, 1 / 3, 1e5 + 0.1]) {
      const before = ran;
      t.true(loop.callLater(delay, () => (ran += 1)).refresh());
      clock.advance(delay * (1 - 1e-9));
      await runTurns(loop);
      t.is(ran, before);
      clock.advance(delay * 2e-7);
      await runTurns(loop);
      t.is(ran, before + 1);
    }
  }));

test('what has no delay is not refreshed, nor what has run or was cancelled, nor after close()', (t) => {
  const loop = new IOLoop({ makeCurrent: false });
  const nothing = (): void => {};
  const timeouts = [
    loop.callAt(loop.time() + 60, nothing),
    loop.addTimeout(loop.time() + 60, nothing),
    loop.callLater(Infinity, nothing),
    loop.callLater(60, nothing),
  ];
  loop.removeTimeout(timeouts[3] as Timeout);
  const open = loop.callLater(60, nothing);
  t.true(open.refresh());
  t.true(loop.resetTimeout(timeouts[0] as Timeout, 60));
  t.true(timeouts[0]?.refresh());
  t.deepEqual(
    timeouts.slice(1).map((timeout) => timeout.refresh()),
    [false, false, false],
  );
  loop.close();
  t.false(open.refresh());
});

test('a subclass with a callAt of its own: its timeouts have the delays of callLater', (t) => {
  const seen: number[] = [];
  class Counting extends IOLoop {
    override callAt<A extends unknown[]>(
      when: number,
      callback: (...args: A) => unknown,
      ...args: A
    ): Timeout {
      seen.push(when - this.time());
      return super.callAt(when, callback, ...args);
    }
  }
  const loop = new Counting({ makeCurrent: false, timeFunc: () => 5 });
  const timeout = loop.callLater(2, () => {});
  t.deepEqual(seen, [2]);
  t.true(timeout.refresh());
  loop.close();
});

test('a stale handle stays harmless, however often its place is taken', (t) =>
  withFakeTime(async (loop, clock) => {
    let ran = 0;
    const stale: Timeout[] = [];
    for (let round = 0; round < 5000; round += 1) {
      const timeout = loop.callLater(1, () => t.fail());
      loop.removeTimeout(timeout);
      stale.push(timeout);
    }
    // More than an empty table keeps, so that it has been emptied in between.
    const many = Array.from({ length: 5000 }, () => loop.callLater(1, () => t.fail()));
    for (const timeout of many) loop.removeTimeout(timeout);
    stale.push(...many);
    const live = Array.from({ length: 10 }, () => loop.callLater(1, () => (ran += 1)));
    for (const timeout of stale) {
      loop.removeTimeout(timeout);
      if (loop.resetTimeout(timeout, 0) || timeout.refresh()) t.fail();
    }
    clock.advance(1);
    await runTurns(loop);
    t.is(ran, 10);
    for (const timeout of live) if (timeout.refresh()) t.fail();
  }));

test('a loop that sleeps wakes up for a timeout that is to run earlier', (t) =>
  onLoop(async (loop) => {
    const fired = deferred<void>();
    const timeout = loop.callLater(3600, fired.resolve);
    await asleep(loop);
    t.true(loop.resetTimeout(timeout, 0.01));
    await fired.promise;
  }));
