/** addFuture, and the settled Future that its callback gets. */
import test from 'ava';
import { deferred } from './helpers/deferred.js';
import { nodeTurns } from './helpers/fds.js';
import { Future } from 'ioloop';
import { asleep, countTurns, runTurns, start, takeReports, withLoop } from './helpers/loop.js';

test('the callback gets one argument, the finished future', (t) =>
  withLoop(async (loop) => {
    const calls: unknown[][] = [];
    loop.addFuture(Promise.resolve(42), (...args: unknown[]) => {
      calls.push(args);
      loop.stop();
    });
    await loop.start();
    t.is(calls.length, 1);
    t.is(calls[0]?.length, 1);
    const future = calls[0]?.[0] as Future<number>;
    t.true(future instanceof Future);
    t.true(future.done());
    t.is(future.result(), 42);
    t.is(future.exception(), null);
  }));

test('a failed future gives its reason, and throws it as its result', (t) =>
  withLoop(async (loop) => {
    const reason = new Error('on purpose');
    loop.addFuture(Promise.reject(reason), (future) => {
      t.is(future.exception(), reason);
      t.is(
        t.throws(() => future.result()),
        reason,
      );
      loop.stop();
    });
    await loop.start();
    t.plan(3);
  }));

test('the callback of a promise that is settled already runs in a later turn, not at once', (t) =>
  withLoop(async (loop) => {
    const counter = countTurns(loop);
    await start(loop, () => {
      const { turn } = counter;
      let added = false;
      loop.addFuture(Promise.resolve(), () => {
        t.true(added);
        t.true(counter.turn > turn);
        loop.stop();
      });
      added = true;
    });
    t.plan(2);
  }));

test('the callback wakes a loop that sleeps', (t) =>
  withLoop(async (loop) => {
    const { promise, resolve } = deferred<string>();
    loop.addFuture(promise, (future) => {
      t.is(future.result(), 'later');
      loop.stop();
    });
    const running = loop.start();
    await asleep(loop);
    resolve('later');
    await running;
    t.plan(1);
  }));

test('callbacks of one promise run in the order of adding', (t) =>
  withLoop(async (loop) => {
    const order: number[] = [];
    const promise = Promise.resolve();
    for (const name of [1, 2, 3]) loop.addFuture(promise, () => order.push(name));
    await promise;
    await runTurns(loop);
    t.deepEqual(order, [1, 2, 3]);
  }));

test('any thenable is a future, and is finished once', (t) =>
  withLoop(async (loop) => {
    const results: unknown[] = [];
    const thenable = {
      // oxlint-disable-next-line unicorn/no-thenable
      then(resolve: (value: string) => void, reject: (reason: Error) => void): void {
        resolve('first');
        resolve('second');
        reject(new Error('third'));
      },
    };
    loop.addFuture(thenable as PromiseLike<string>, (future) => results.push(future.result()));
    const broken = {
      // oxlint-disable-next-line unicorn/no-thenable
      then(): void {
        throw new Error('broken');
      },
    };
    loop.addFuture(broken as never, (future) => results.push(future.exception()));
    await Promise.resolve();
    await runTurns(loop, 2);
    t.is(results[0], 'first');
    t.like(results[1] as Error, { message: 'broken' });
    t.is(results.length, 2);
  }));

test('the rejection of a watched promise is not an unhandled rejection', (t) =>
  withLoop(async (loop) => {
    let called = 0;
    loop.addFuture(Promise.reject(new Error('watched')), () => {
      called += 1;
      loop.stop();
    });
    // ava fails the run at an unhandled rejection.
    await loop.start();
    t.is(called, 1);
  }));

test('what the callback throws or rejects with is reported, once', (t) =>
  withLoop(async (loop) => {
    const thrown = new Error('thrown');
    const rejected = new Error('rejected');
    const throws = (): void => {
      throw thrown;
    };
    const rejects = async (future: Future<number>): Promise<void> => {
      t.is(future.result(), 1);
      throw rejected;
    };
    loop.addFuture(Promise.resolve(), throws);
    loop.addFuture(Promise.resolve(1), rejects);
    await Promise.resolve();
    await runTurns(loop, 3);
    t.deepEqual(takeReports(loop), [
      { callback: throws, error: thrown },
      { callback: rejects, error: rejected },
    ]);
  }));

test('an uncaught result() of a failed future is reported', (t) =>
  withLoop(async (loop) => {
    const reason = new Error('on purpose');
    loop.addFuture(Promise.reject(reason), (future) => future.result());
    await Promise.resolve();
    await runTurns(loop, 2);
    t.deepEqual(
      takeReports(loop).map(({ error }) => error),
      [reason],
    );
  }));

test('addFuture refuses a value that is not a promise, and one that is not a function', (t) =>
  withLoop((loop) => {
    for (const value of [undefined, null, 42, 'x', {}, () => {}]) {
      const error = t.throws(() => loop.addFuture(value as never, () => {}));
      t.like(error, { code: 'ERR_INVALID_ARG_TYPE' });
    }
    const error = t.throws(() => loop.addFuture(Promise.resolve(), undefined as never));
    t.like(error, { code: 'ERR_INVALID_ARG_TYPE' });
  }));

test('a promise that settles after the loop was closed is dropped', async (t) => {
  let settle = (): void => {};
  let called = 0;
  await withLoop((loop) => {
    const promise = new Promise<void>((resolve) => {
      settle = resolve;
    });
    loop.addFuture(promise, () => (called += 1));
  });
  settle();
  await nodeTurns(2);
  t.is(called, 0);
});

test('futures can be made: one with a result, one that has failed', (t) => {
  t.is(Future.resolved('value').result(), 'value');
  t.is(Future.resolved('value').exception(), null);
  const reason = new Error('on purpose');
  t.is(Future.rejected(reason).exception(), reason);
  t.is(
    t.throws(() => Future.rejected(reason).result()),
    reason,
  );
  t.true(Future.rejected(reason).done());
});
