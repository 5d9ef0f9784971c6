/** `start()`, and what it leaves: decisions 2, 3 and 4 of the design. */
import test from 'ava';
import { IOLoop, Socket } from 'ioloop';
import { nodeTurns, withReadables } from './helpers/fds.js';
import { runTurns, start, withLoop } from './helpers/loop.js';

test('start() of a running loop rejects and changes nothing', (t) =>
  withLoop(async (loop) => {
    const running = loop.start();
    const error = await t.throwsAsync(loop.start());
    t.like(error, { code: 'ERR_IOLOOP_RUNNING' });
    t.true(loop.running);
    loop.stop();
    await running;
  }));

test('start() inside a callback rejects, also after stop() in that callback', (t) =>
  withLoop(async (loop) => {
    const code = 'ERR_IOLOOP_RUNNING';
    const rejected: unknown[] = [];
    await start(loop, () => {
      rejected.push(t.throwsAsync(loop.start()));
      loop.stop();
      rejected.push(t.throwsAsync(loop.start()));
    });
    for (const error of await Promise.all(rejected)) t.like(error as Error, { code });
    // The stop belonged to the start before; it is not left for this one.
    let ran = false;
    await start(loop, () => {
      ran = true;
      loop.stop();
    });
    t.true(ran);
  }));

test('nothing runs inside start()', (t) =>
  withLoop(async (loop) => {
    let ran = false;
    loop.addCallback(() => {
      ran = true;
      loop.stop();
    });
    const running = loop.start();
    t.false(ran);
    await Promise.resolve();
    t.false(ran);
    await running;
    t.true(ran);
  }));

test('running is true from start() until the last turn is complete', (t) =>
  withLoop(async (loop) => {
    t.false(loop.running);
    loop.addCallback(() => {
      loop.stop();
    });
    loop.callLater(-1, () => {
      t.true(loop.running);
    });
    const running = loop.start();
    t.true(loop.running);
    await running;
    t.false(loop.running);
  }));

test('a loop is started and stopped a thousand times', (t) =>
  withLoop(async (loop) => {
    let ran = 0;
    for (let round = 0; round < 1000; round += 1) {
      await start(loop, () => {
        ran += 1;
        loop.stop();
      });
    }
    t.is(ran, 1000);
  }));

test('a thousand loops are made, started, stopped and closed', async (t) => {
  let ran = 0;
  for (let round = 0; round < 1000; round += 1) {
    const loop = new IOLoop({ makeCurrent: false });
    await start(loop, () => {
      ran += 1;
      loop.stop();
    });
    loop.close();
  }
  t.is(ran, 1000);
});

test('a loop can be started again from the continuation of start()', (t) =>
  withLoop(async (loop) => {
    const order: string[] = [];
    loop.addCallback(() => {
      order.push('one');
      loop.stop();
      loop.addCallback(() => {
        order.push('two');
        loop.stop();
      });
    });
    await loop.start().then(() => loop.start());
    t.deepEqual(order, ['one', 'two']);
  }));

test('two loops run at the same time, and stop apart from each other', (t) =>
  withLoop((one) =>
    withLoop(async (other) => {
      const order: string[] = [];
      const first = one.start().then(() => order.push('one'));
      const second = other.start().then(() => order.push('other'));
      other.addCallback(() => {
        other.stop();
      });
      await second;
      t.true(one.running);
      one.stop();
      await first;
      t.deepEqual(order, ['other', 'one']);
    }),
  ));

test('a loop stops with many callbacks, timeouts and handlers left, which the next start runs', (t) =>
  withLoop((loop) =>
    withReadables(3, async (readables) => {
      let handled = 0;
      for (const readable of readables) {
        const handler = (): void => {
          loop.removeHandler(readable);
          handled += 1;
          if (handled === readables.length) loop.stop();
        };
        loop.addHandler(readable, handler, IOLoop.READ);
      }
      loop.stop();
      await loop.start();
      t.is(handled, 0);
      await loop.start();
      t.is(handled, 3);
    }),
  ));

test('await using stops a running loop and closes it', async (t) => {
  const loop = new IOLoop({ makeCurrent: false });
  const running = loop.start();
  await loop[Symbol.asyncDispose]();
  t.true(loop.closed);
  await running;
});

test('the events of a stopped loop wait for the next start', (t) =>
  withLoop(async (loop) => {
    const [readable, writer] = Socket.pair();
    let handled = 0;
    const handler = (): void => {
      handled += 1;
      loop.removeHandler(readable);
      loop.stop();
    };
    loop.addHandler(readable, handler, IOLoop.READ);
    await runTurns(loop);
    writer.send(Buffer.from('x'));
    await nodeTurns();
    t.is(handled, 0);
    await loop.start();
    t.is(handled, 1);
    readable.close();
    writer.close();
  }));
