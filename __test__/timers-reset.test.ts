/** resetTimeout: pending, due and past timeouts, another loop's, and a loop that sleeps. */
import test from 'ava';
import { IOLoop, type Timeout } from 'ioloop';
import { MANY_TIMERS } from './helpers/capacities.js';
import { onLoop, runTurns, withFakeTime } from './helpers/loop.js';

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

test('a loop that sleeps wakes up for a timeout that is to run earlier', (t) =>
  onLoop(
    (loop) =>
      new Promise<void>((resolve) => {
        const timeout = loop.callLater(3600, resolve);
        setTimeout(() => t.true(loop.resetTimeout(timeout, 0.01)), 10);
      }),
  ));
