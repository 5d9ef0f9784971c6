/** `runSync`: results, errors and stops. Decision 18 of the design. */
import { setImmediate as immediate } from 'node:timers/promises';
import test from 'ava';
import { IOLoop } from 'ioloop';
import { nodeTurns } from './helpers/fds.js';
import { deferred } from './helpers/deferred.js';
import { runTurns, start, withLoop } from './helpers/loop.js';

test('runSync resolves to what the promise of the function resolves to', (t) =>
  withLoop(async (loop) => {
    t.is(await loop.runSync(async () => 42), 42);
    t.is(
      await loop.runSync(async () => {
        await immediate();
        return 'later';
      }),
      'later',
    );
    t.false(loop.running);
  }));

test('runSync takes any thenable', (t) =>
  withLoop(async (loop) => {
    const thenable = {
      // oxlint-disable-next-line unicorn/no-thenable
      then(resolve: (value: string) => void): void {
        loop.callLater(0.001, resolve, 'done');
      },
    };
    t.is(await loop.runSync(() => thenable as PromiseLike<string>), 'done');
  }));

test('a function that returns undefined or null gives undefined', (t) =>
  withLoop(async (loop) => {
    t.is(await loop.runSync(() => {}), undefined);
    t.is(await loop.runSync(() => null), undefined);
  }));

test('a function that returns anything else is an error that names it', (t) =>
  withLoop(async (loop) => {
    for (const value of [42, 0, '', 'text', true, {}, []]) {
      const error = await t.throwsAsync(loop.runSync((() => value) as never));
      t.like(error, { code: 'ERR_IOLOOP_BAD_YIELD' });
    }
    await t.throwsAsync(loop.runSync((() => 42) as never), { message: /42/ });
    t.false(loop.running);
  }));

test('what the function throws comes out of runSync as it is', (t) =>
  withLoop(async (loop) => {
    const error = new Error('on purpose');
    const thrown = loop.runSync(() => {
      throw error;
    });
    t.is(await t.throwsAsync(thrown), error);
    t.false(loop.running);
  }));

test('what the promise rejects with comes out of runSync as it is', (t) =>
  withLoop(async (loop) => {
    const error = new Error('on purpose');
    t.is(await t.throwsAsync(loop.runSync(() => Promise.reject(error))), error);
    const nothing: unknown = await loop
      // oxlint-disable-next-line prefer-promise-reject-errors
      .runSync(() => Promise.reject(undefined))
      .catch((reason: unknown) => ['rejected with', reason]);
    t.deepEqual(nothing, ['rejected with', undefined]);
  }));

test('the function runs in a turn of the loop, after what was added before', (t) =>
  withLoop(async (loop) => {
    const order: string[] = [];
    loop.addCallback(() => order.push('before'));
    const done = loop.runSync(() => {
      order.push('function');
      t.true(loop.running);
      t.is(IOLoop.current(), loop);
    });
    loop.addCallback(() => order.push('after'));
    t.deepEqual(order, []);
    await done;
    t.deepEqual(order, ['before', 'function', 'after']);
  }));

test('the loop stops one turn after the result is there', (t) =>
  withLoop(async (loop) => {
    const order: string[] = [];
    await loop.runSync(() => {
      loop.addCallback(() => {
        order.push('next turn');
        loop.addCallback(() => order.push('too late'));
      });
    });
    t.deepEqual(order, ['next turn']);
  }));

test('callbacks, timeouts and promises work under runSync', (t) =>
  withLoop(async (loop) => {
    const result = await loop.runSync(async () => {
      const first = await new Promise((resolve) => {
        loop.callLater(0.001, resolve, 'timeout');
      });
      const second = await new Promise((resolve) => {
        loop.addCallback(resolve, 'callback');
      });
      await immediate();
      return [first, second];
    });
    t.deepEqual(result, ['timeout', 'callback']);
  }));

test('runSync of a running loop rejects and queues nothing', (t) =>
  withLoop(async (loop) => {
    let error: Promise<unknown> = Promise.resolve();
    await start(loop, () => {
      error = t.throwsAsync(loop.runSync(() => t.fail()));
      loop.addCallback(() => {
        loop.stop();
      });
    });
    t.like((await error) as Error, { code: 'ERR_IOLOOP_RUNNING' });
    await runTurns(loop, 2);
  }));

test('runSync inside runSync rejects, and the outer one goes on', (t) =>
  withLoop(async (loop) => {
    const result = await loop.runSync(async () => {
      const error = await t.throwsAsync(loop.runSync(async () => 'inner'));
      t.like(error, { code: 'ERR_IOLOOP_RUNNING' });
      return 'outer';
    });
    t.is(result, 'outer');
  }));

test('runSync of another loop works inside runSync', (t) =>
  withLoop((outer) =>
    withLoop(async (inner) => {
      const result = await outer.runSync(() => inner.runSync(async () => 'inner'));
      t.is(result, 'inner');
    }),
  ));

test('a foreign stop rejects, and says so', (t) =>
  withLoop(async (loop) => {
    const done = loop.runSync(() => {
      loop.stop();
      return new Promise(() => {});
    });
    const error = await t.throwsAsync(done, { message: /^Event loop stopped before/ });
    t.like(error, { code: 'ERR_IOLOOP_STOPPED' });
  }));

test('a stop that came before runSync is a foreign stop: the function never runs', (t) =>
  withLoop(async (loop) => {
    loop.stop();
    const error = await t.throwsAsync(loop.runSync(() => t.fail()));
    t.like(error, { code: 'ERR_IOLOOP_STOPPED' });
    await runTurns(loop, 2);
    t.is(await loop.runSync(async () => 'next'), 'next');
  }));

test('a foreign stop in the turn of the result does not hide the result', (t) =>
  withLoop(async (loop) => {
    const result = await loop.runSync(() => {
      loop.stop();
    });
    t.is(result, undefined);
  }));

test('a result that comes after a foreign stop does not stop a later run', (t) =>
  withLoop(async (loop) => {
    const { promise, resolve } = deferred<string>();
    const early = loop.runSync(() => {
      loop.stop();
      return promise;
    });
    await t.throwsAsync(early, { message: /stopped before/ });
    const later = loop.runSync(async () => {
      resolve('late');
      await nodeTurns(3);
      return 'mine';
    });
    t.is(await later, 'mine');
    await runTurns(loop, 3);
  }));

test('a rejection after a foreign stop is not an unhandled rejection', (t) =>
  withLoop(async (loop) => {
    const { promise, reject } = deferred<string>();
    const early = loop.runSync(() => {
      loop.stop();
      return promise;
    });
    await t.throwsAsync(early, { message: /stopped before/ });
    reject(new Error('late'));
    await nodeTurns(2);
  }));

test('arguments of a wrong type reject, and start nothing', (t) =>
  withLoop(async (loop) => {
    for (const func of [undefined, null, 42, 'f', Promise.resolve()]) {
      const error = await t.throwsAsync(loop.runSync(func as never), { instanceOf: TypeError });
      t.like(error, { code: 'ERR_INVALID_ARG_TYPE' });
    }
    for (const seconds of [NaN, '1', null, {}]) {
      const done = loop.runSync(() => t.fail(), { timeout: seconds as number });
      t.like(await t.throwsAsync(done), { code: 'ERR_INVALID_ARG_TYPE' });
    }
    t.false(loop.running);
    await runTurns(loop);
  }));

test('a timeout that an override refuses rejects, and the function never runs', (t) =>
  withLoop(async (loop) => {
    const { callAt } = loop;
    let ran = false;
    loop.callAt = () => {
      throw new Error('refused');
    };
    const refused = loop.runSync(() => void (ran = true), { timeout: 5 });
    await t.throwsAsync(refused, { message: 'refused' });
    loop.callAt = callAt;
    await loop.runSync(async () => {});
    t.false(ran);
  }));

test('runSync runs a hundred times in a row', (t) =>
  withLoop(async (loop) => {
    for (let round = 0; round < 100; round += 1) {
      t.is(await loop.runSync(async () => round, { timeout: 60 }), round);
    }
  }));
